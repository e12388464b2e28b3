#!/usr/bin/env bash
# Brings a bare Debian machine (root, Node >= 20.19, git) to where `npm test`, `npm run quickstart` and `npm run bench`
# can run: Debian packages, node_modules, dist; with --models also the runtime of embedding models. Does only what is
# missing, says one line per step, and nothing else. With --ansible also Ansible, with --fleet also what makes bare hosts.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"

LOGS="$(mktemp -d)"
# What runs beside us is let finish: dpkg in its middle would be left broken.
trap 'wait; rm -rf "$LOGS"' EXIT

# The compiler of native modules has the machine's processors for a minute or two and needs neither the packages nor the network;
# those are fetched meanwhile. Our own sources come first: what has the modules compiled is among them.
main() {
  if asked --ansible "$@"; then PROGRAMS="$PROGRAMS $OF_ANSIBLE"; fi
  if asked --fleet "$@"; then PROGRAMS="$PROGRAMS $OF_THE_FLEET"; fi
  check_node
  install_packages "$COMPILERS"
  install_packages "$PROGRAMS" "$FILES" &
  local packages=$! modules
  install_modules
  build
  compile_modules &
  modules=$!
  if asked --models "$@"; then add_runtime; fi
  wait "$modules"
  wait "$packages"
}

# asked OPTION WORDS...: whether the option is among the words.
asked() {
  local option="$1" word
  shift
  for word; do [ "$word" != "$option" ] || return 0; done
  return 1
}

# step NAME HINT COMMAND...: runs a command quietly; on failure prints its output and the way on.
step() {
  local name="$1" hint="$2" log
  shift 2
  log="$(mktemp -p "$LOGS")"
  echo "prepare: $name" >&2
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    fail "$name failed; its output is above" "$hint"
  fi
}

fail() {
  printf 'prepare: %s\nto go on: %s\n' "$1" "$2" >&2
  exit 1
}

check_node() {
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    fail "Node $(node --version) is too old: Isochron needs 20.19 or later" "install a later Node.js, then run this again"
  fi
}

# The program that shows whether a package is there, and the package.
COMPILERS="cc:build-essential g++:build-essential make:build-essential python3:python3"
PROGRAMS="btrfs:btrfs-progs mkfs.btrfs:btrfs-progs sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client
zstd:zstd mount:mount losetup:mount chattr:e2fsprogs
dbus-daemon:dbus gdbus:libglib2.0-bin busctl:systemd ovsdb-server:openvswitch-switch ovs-vsctl:openvswitch-switch
systemd-nspawn:systemd-container modprobe:kmod setpriv:util-linux nsenter:util-linux script:bsdutils curl:curl
promtool:prometheus"
OF_ANSIBLE="ansible-playbook:ansible ansible-lint:ansible-lint"
OF_THE_FLEET="debootstrap:debootstrap dpkg-scanpackages:dpkg-dev ip:iproute2"
# Packages that bring no program: a file of theirs, and the package.
FILES="/usr/lib/python3/dist-packages/dbusmock/__init__.py:python3-dbusmock
/usr/lib/python3/dist-packages/firewall/server/server.py:python3-firewall
/usr/lib/python3/dist-packages/nftables/nftables.py:python3-nftables"

# install_packages PROGRAMS [FILES]: the packages of those that are not there.
install_packages() {
  local missing="" pair
  for pair in $1; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
  done
  for pair in ${2:-}; do
    [ -e "${pair%%:*}" ] || missing="$missing ${pair##*:}"
  done
  [ -n "$missing" ] || return 0
  missing="$(tr ' ' '\n' <<<"$missing" | sort -u | tr '\n' ' ')"
  command -v apt-get >/dev/null || fail "these are missing: $missing" "install them with this system's package manager"
  [ "$(id -u)" = 0 ] || fail "these Debian packages are missing: $missing" "as root: apt-get install $missing"
  step "apt-get update" "check this machine's network and /etc/apt, then run this again" apt-get -q update
  # Installing sshd must not start one that listens to the world: tests start their own.
  local start_nothing
  start_nothing="$(policy_against_starting)"
  # shellcheck disable=SC2086
  step "apt-get install $missing" "install them by hand: apt-get install $missing" \
    env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
  [ -z "$start_nothing" ] || rm -f "$start_nothing"
  leave_disabled "$missing"
}

# Nor may what was installed just now start at the next boot: tests start their own.
leave_disabled() {
  command -v systemctl >/dev/null || return 0
  case " $1 " in *" openssh-server "*) systemctl --quiet disable ssh.service >/dev/null 2>&1 || true ;; esac
  case " $1 " in *" openvswitch-switch "*) systemctl --quiet disable openvswitch-switch.service >/dev/null 2>&1 || true ;; esac
  case " $1 " in *" prometheus "*) systemctl --quiet disable prometheus.service >/dev/null 2>&1 || true ;; esac
}

# Debian asks this file whether a newly installed service may start. Prints its path if it was made here.
policy_against_starting() {
  local policy=/usr/sbin/policy-rc.d
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  echo "$policy"
}

install_modules() {
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    # Not `npm ci`: it refuses a lock file that lacks another platform's optional packages, which npm leaves out when
    # the registry in use does not carry them. The versions and hashes of the lock file hold all the same.
    step "npm install" "check the network, then run this again" npm install --no-save --ignore-scripts
    touch node_modules/.package-lock.json
    FRESH=yes
  fi
}

# Another Node than the one they were compiled with cannot load them; neither can it after an interrupted install.
compile_modules() {
  if [ "${FRESH:-no}" = yes ] || ! native_modules_load >/dev/null 2>&1; then
    step "native modules for Node $(node --version) (some minutes, if none are kept in release/.cache)" \
      "rm -r node_modules, then run this again" node dist/test/machine/compile-checkout.js
    step "loading the native modules" "rm -r node_modules, then run this again" native_modules_load
  fi
}

native_modules_load() {
  node -e 'new (require("better-sqlite3"))(":memory:").close(); new (require("hnswlib-node").HierarchicalNSW)("ip", 2).initIndex(2)'
}

# Large, so users add it when they want a model. Another version than the one named, or none: added anew.
add_runtime() {
  local lock=shared/embed/runtime/package-lock.json there=shared/embed/runtime/node_modules/.package-lock.json
  if [ ! -e "$there" ] || ! same_versions "$lock" "$there"; then
    step "npm run add-runtime (the runtime of embedding models)" "check the network, then run this again" npm run add-runtime
  fi
}

# same_versions LOCK INSTALLED: npm ci writes the second last, after all that it lists.
same_versions() {
  node -e 'const [lock, there] = process.argv.slice(1).map((path) => JSON.parse(fs.readFileSync(path, "utf8")).packages);
    process.exit(Object.entries(there).every(([name, { version }]) => lock[name]?.version === version) ? 0 : 1)' "$@"
}

build() {
  if [ -e dist/.built ] && [ -z "$(changed_sources)" ]; then
    return 0
  fi
  step "npm run build" "mend the errors above" npm run build
}

# A folder is newer too when a file in it was removed.
changed_sources() {
  find package.json tsconfig.json primary replica shared test -name node_modules -prune -o \
    \( -name '*.ts' -o -name '*.json' -o -type d \) -newer dist/.built -print -quit
}

main "$@"
