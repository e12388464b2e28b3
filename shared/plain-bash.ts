// How a daemon starts a shell that is to do what its script says and nothing else. What Node calls a pipe is a socket, and a
// bash whose stdin is a socket takes itself for the shell of a remote login: it reads `~/.bashrc` first, whose commands
// may wait, print into the answers, or start twenty processes (bash(1), INVOCATION).

/**
 * Before the script. `--norc`: no startup file of a remote login. `-p`: neither `BASH_ENV`, nor functions and options from the
 * environment; it changes no identity, since the real and the effective one are the same.
 */
export const PLAIN_BASH = ["--norc", "-p", "-c"] as const;
