// What is recorded of an Open vSwitch database (ovs-vswitchd.conf.db(5)): which tables are elements, and which columns say
// something. Left out is what changes by itself: statistics, STP, BFD and CFM status, counters of flaps and resets,
// sequence numbers of the configuration. Columns that a server's schema has not are passed over.

export interface ElementTable {
  elementType: string;
  /** What stands before the row's name in its element id. */
  prefix: string;
}

/** Tables whose rows are elements, in the order in which the events of one transaction are written. */
export const ELEMENT_TABLES: ReadonlyMap<string, ElementTable> = new Map([
  ["Open_vSwitch", { elementType: "OvsSwitch", prefix: "ovs-switch:" }],
  ["Bridge", { elementType: "OvsBridge", prefix: "ovs-bridge:" }],
  ["Port", { elementType: "OvsPort", prefix: "ovs-port:" }],
  ["Interface", { elementType: "OvsInterface", prefix: "ovs-interface:" }],
]);

/** The table has one row, without a name. */
export const SWITCH_NAME = "local";

const CONFIG = ["other_config", "external_ids"];
const TARGET = ["target", "connection_mode"];

/** Columns by table. Rows of tables that are no elements stand inside the rows that refer to them. */
export const WATCHED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  Open_vSwitch: [
    ...["ovs_version", "db_version", "system_type", "system_version", "dpdk_initialized", "dpdk_version"],
    ...["manager_options", "ssl", ...CONFIG],
  ],
  Bridge: [
    ...["name", "datapath_type", "datapath_id", "ports", "fail_mode", "protocols", "controller", "mirrors"],
    ...["netflow", "sflow", "ipfix", "flow_tables", "stp_enable", "rstp_enable", "mcast_snooping_enable"],
    ...["flood_vlans", ...CONFIG],
  ],
  Port: [
    ...["name", "interfaces", "tag", "trunks", "cvlans", "vlan_mode", "mac", "qos", "protected"],
    ...["bond_mode", "bond_updelay", "bond_downdelay", "bond_active_slave", "bond_fake_iface", "lacp", "fake_bridge"],
    ...CONFIG,
  ],
  Interface: [
    ...["name", "type", "options", "error", "admin_state", "link_state", "link_speed", "duplex", "lacp_current"],
    ...["mac", "mac_in_use", "mtu", "mtu_request", "ofport", "ofport_request", "bfd", "cfm_mpid", "cfm_fault", "lldp"],
    ...["ingress_policing_rate", "ingress_policing_burst"],
    ...["ingress_policing_kpkts_rate", "ingress_policing_kpkts_burst", ...CONFIG],
  ],
  Controller: TARGET,
  Manager: TARGET,
  SSL: ["certificate", "ca_cert", "bootstrap_ca_cert"],
  Mirror: [
    ...["name", "select_all", "select_src_port", "select_dst_port", "select_vlan"],
    ...["output_port", "output_vlan", "snaplen"],
  ],
  NetFlow: ["targets", "active_timeout"],
  sFlow: ["targets", "agent", "sampling", "polling", "header"],
  IPFIX: ["targets", "sampling", "obs_domain_id", "obs_point_id"],
  QoS: ["type", "queues", "other_config"],
  Queue: ["dscp", "other_config"],
  Flow_Table: ["name", "flow_limit", "overflow_policy"],
};

/** Keys of maps that OVN counts up or stamps at every change of its own configuration. */
export const RESTLESS_KEYS: readonly string[] = ["ovn-nb-cfg", "ovn-nb-cfg-ts", "ovn-startup-ts"];
