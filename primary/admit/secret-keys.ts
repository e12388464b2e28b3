// Which keys name a secret. The rule: lower-case, drop everything but letters and digits, drop trailing digits and one
// plural `s`; the key is secret when what is left ENDS with a listed term. So `wifi_psk`, `client-secret`,
// `X-Auth-Token`, `wireguard.private-key`, `DB_PASSWORD_2` and `accessTokens` are; `token_count`, `psk-flags`,
// `password_changed_at`, `secret_name` and `public_key` are not. A wrong hit (`max_tokens`) costs readability,
// a miss costs a secret: hence endings, not whole words.

/** The default of `redactKeys`. Written as in the rule: letters and digits only. */
export const SECRET_TERMS: readonly string[] = [
  "password",
  "passwd",
  "passphrase",
  "passwordhash",
  "secret",
  "secretkey",
  "psk",
  "presharedkey",
  "token",
  "privatekey",
  "authorization",
  "apikey",
  "accesskey",
  "wepkey",
  "credential",
];

export type SecretKeyTest = (key: string) => boolean;

/** Distinct keys remembered; past it the memory starts anew, so hostile keys cannot grow it. */
const REMEMBERED_KEYS = 10_000;
/** Only endings count, so the rest of a long key is not looked at. */
const LOOKED_AT_CHARS = 128;

/** A test for keys by the rule above, over `terms` (which are brought to letters and digits first). */
export function createSecretKeyTest(terms: readonly string[]): SecretKeyTest {
  const endings = terms.map(bare).filter((term) => term !== "");
  let known = new Map<string, boolean>();
  return (key) => {
    const remembered = known.get(key);
    if (remembered !== undefined) return remembered;
    const ending = bare(key.slice(-LOOKED_AT_CHARS));
    const secret = endings.some((term) => ending.endsWith(term));
    if (known.size >= REMEMBERED_KEYS) known = new Map();
    if (key.length <= LOOKED_AT_CHARS) known.set(key, secret);
    return secret;
  };
}

function bare(key: string): string {
  return key
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .replace(/\d+$/, "")
    .replace(/s$/, "");
}
