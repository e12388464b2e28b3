// What primary and replica say to each other: plain HTTP over a pipe to the agent's Unix socket. Both sides check what
// they get against these schemas; what does not fit is refused with its place named.
//
//   POST /v1/hello                              who is there, what it holds
//   PUT  /v1/stores/<uuid>/generations/<n>      two btrfs send streams back to back; answered by the cosigned checkpoint
//   POST /v1/probe                              bytes that are thrown away; answered by how long they took to arrive
import { z } from "zod";

export const PROTOCOL_VERSION = 1;

/** Headers of a push. */
export const PUSH_HEADERS = {
  /** Generation number of the base, absent for a full send. */
  base: "isochron-base",
  /** Entries in the primary's ledger at this moment, sealed or not. */
  ledgerSize: "isochron-ledger-size",
  /** The body goes on at this byte of the uncompressed streams, where the hello said that a cut push ended. */
  resumeBytes: "isochron-resume-bytes",
  /** Its digest of what came before. */
  resumeDigest: "isochron-resume-digest",
} as const;

export const STREAM_TYPE = "application/vnd.btrfs.send";
export const PROBE_TYPE = "application/octet-stream";
/** Most bytes of one probe. */
export const MAX_PROBE_BYTES = 16 * 1024 * 1024;

/** Headers of the answers to a push and to a probe: how the body arrived, by the replica's clock. */
export const ARRIVAL_HEADERS = {
  bytes: "isochron-arrived-bytes",
  /** From the request's headers to the last byte of its body. */
  ms: "isochron-arrived-ms",
  /** Of it, time in which the replica took nothing, because what it does with the bytes was slower. */
  busyMs: "isochron-busy-ms",
} as const;
export type ArrivalHeaders = Record<(typeof ARRIVAL_HEADERS)[keyof typeof ARRIVAL_HEADERS], number>;

const measured = z.coerce.number().nonnegative().finite();
export const arrivalHeadersSchema = z.object({
  [ARRIVAL_HEADERS.bytes]: measured,
  [ARRIVAL_HEADERS.ms]: measured,
  [ARRIVAL_HEADERS.busyMs]: measured,
});

const count = z.number().int().nonnegative();

export const helloSchema = z.object({
  protocol: z.number().int(),
  store: z.uuid(),
  origin: z.string().min(1),
  /** The primary's own state: entries in the live ledger and the newest generation. */
  size: count,
  generation: count,
});
export type Hello = z.infer<typeof helloSchema>;

const subvolumeSchema = z.object({ uuid: z.string(), received_uuid: z.string().nullable() });

/** What the replica's volume has left, and what must stay: a push below either is refused with `no-space`. */
const roomSchema = z.object({
  free_bytes: count,
  min_free_bytes: count,
  /** Left for btrfs metadata; absent where the kernel does not say. */
  metadata_free_bytes: count.optional(),
  min_metadata_bytes: count.optional(),
});
export type HelloRoom = z.infer<typeof roomSchema>;

export const helloAnswerSchema = z.object({
  protocol: z.number().int(),
  replica: z.object({ uuid: z.uuid(), name: z.string(), vkey: z.string() }),
  /** What the replica holds of this store; null before its first generation. */
  holds: z
    .object({
      generation: count,
      size: count,
      /** The accepted head: a signed note, cosigned by the replica. */
      head: z.string(),
      timing: subvolumeSchema,
      vector: subvolumeSchema,
    })
    .nullable(),
  /** What is kept of a push that was cut, up to the end of a command: the next one may go on from there. */
  partial: z
    .object({
      generation: count,
      /** `null` for a full send. */
      base: count.nullable(),
      /** Of the uncompressed streams. */
      bytes: count,
      /** SHA-256 in hex, a chain over the headers of all commands (shared/store/walk-commands.ts). */
      digest: z.string().length(64),
      /** Of the streams: 2 with extents as they are on disk. */
      protocol: z.number().int(),
    })
    .optional(),
  /** A generation that has arrived whole and is being verified: it is not to be sent again. */
  working_on: count.optional(),
  /** What the replica's operator asked for with `resync`. */
  wants: z.enum(["nothing", "push", "full"]),
  /** vkeys of the origin whose checkpoints it accepts. Not there in the answers of older agents. */
  trusts: z.array(z.string()).optional(),
  free_bytes: count,
  room: roomSchema.optional(),
  /** One-minute load average of the host. */
  load: z.number(),
  /** Its cores. Not there in the answers of older agents. */
  cpus: z.number().int().positive().optional(),
  versions: z.object({ kernel: z.string(), progs: z.string() }),
  /** What a push may be encoded as, besides as it is; a replica that does not say takes zstd. */
  encodings: z.array(z.string()).optional(),
  /** Whether `POST /v1/probe` is answered. */
  probes: z.boolean().optional(),
});
export type HelloAnswer = z.infer<typeof helloAnswerSchema>;

/** Why a replica refuses. `retry` ones pass by themselves; the others need an operator. */
export const REFUSALS = {
  "protocol-mismatch": { status: 409, retry: false },
  "foreign-store": { status: 409, retry: false },
  "untrusted-origin": { status: 403, retry: false },
  regressed: { status: 409, retry: false },
  diverged: { status: 409, retry: false },
  "not-verified": { status: 422, retry: false },
  "newer-format": { status: 422, retry: false },
  "bad-stream": { status: 422, retry: true },
  "base-missing": { status: 412, retry: true },
  "partial-missing": { status: 412, retry: true },
  busy: { status: 503, retry: true },
  "no-space": { status: 507, retry: true },
  "bad-request": { status: 400, retry: false },
  "internal-error": { status: 500, retry: true },
} as const;
export type RefusalCode = keyof typeof REFUSALS;

/** RFC 9457 problem details, as every refusal is answered. */
export const problemSchema = z.object({
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string(),
  hint: z.string().optional(),
});
export type Problem = z.infer<typeof problemSchema>;
