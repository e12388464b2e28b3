// Secrets in the text of configuration files, hidden before a diff is made or a text is kept: admission knows the forms of
// command lines and log messages, files have some of their own (`password = x`, `password: x`, `requirepass x`, XML, crypt
// hashes). It sees whole files, so that a diff cannot show the middle of a key whose begin is out of its sight.
// Linear in the length of the text: every pattern is anchored at a line's begin or a literal.
import { REDACTED, redactText } from "../../admit/redact-text.js";
import { createSecretKeyTest, type SecretKeyTest } from "../../admit/secret-keys.js";

export type RedactConfigText = (text: string) => string;

/** Endings of names that are secret in configuration files, besides those of admission. */
const FURTHER_TERMS = [
  "pass",
  "pwd",
  "pw",
  "passcode",
  "community",
  "masterauth",
  "keydata",
  "sharedkey",
  "authkey",
  "signingkey",
  "encryptionkey",
];
/** Where a blank stands between name and value: fewer, because words are often followed by a word (`proxy_pass backend`). */
const BLANK_TERMS = ["requirepass", "bindpw", "rootpw", "masterauth", "rocommunity", "rwcommunity"];

/** `redactKeys` are admission's: none means that nothing is hidden by its name. */
export function createConfigRedaction(redactKeys: readonly string[]): RedactConfigText {
  const further = redactKeys.length > 0;
  const isSecretKey = createSecretKeyTest(further ? [...redactKeys, ...FURTHER_TERMS] : []);
  const isSecretWord = createSecretKeyTest(further ? [...redactKeys, ...BLANK_TERMS] : []);
  return (text) => {
    const usual = redactText(text, isSecretKey);
    const known = usual.includes("$") ? usual.replace(CRYPT_HASH, REDACTED) : usual;
    return redactLines(redactElements(known, isSecretKey), isSecretKey, isSecretWord);
  };
}

/** crypt(5), and what web servers and databases make of it. */
const CRYPT_HASH =
  /\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|apr1|scrypt|argon2[a-z]{0,2}|pbkdf2[a-z0-9-]{0,16})\$[^\s:'",;]{8,}/g;
const ELEMENT = /<([\w.:-]{1,64})(?:\s[^<>]{0,256})?>([^<>]+)(?=<)/g;

function redactElements(text: string, isSecretKey: SecretKeyTest): string {
  if (!text.includes("</")) return text;
  return text.replace(ELEMENT, (whole: string, name: string, value: string) => {
    if (value.trim() === "" || !isSecretKey(name)) return whole;
    return whole.slice(0, whole.length - value.length) + REDACTED;
  });
}

const ASSIGNED = /^([\s#;]*(?:(?:export|set)\s{1,8})?["']?([\w.-]{1,64})["']?\s{0,64}[:=]\s{0,64})(\S.*)$/;
const TWO_WORDS = /^([\s#;]*([\w.-]{1,64})\s{1,64})(\S+)\s*$/;
/** Settings and not secrets, whatever they are called; and the databases of nsswitch.conf's `passwd:`. */
const HARMLESS =
  /^["']?(?:yes|no|true|false|on|off|none|null|nil|~|auto|enabled?|disabled?|\d{1,2}|\d{1,5}\/(?:tcp|udp)|\[redacted\]|(?:files|compat|systemd|sss|ldap|nis|db|winbind|dns)(?:\s.*)?)["']?[,;]?\s*$/i;
/** YAML: the value is in the lines that follow, indented. */
const BLOCK = /^[|>][+-]?\d?\s*$/;

function redactLines(text: string, isSecretKey: SecretKeyTest, isSecretWord: SecretKeyTest): string {
  let hiddenBelow: number | undefined;
  const lines = text.split("\n").map((line) => {
    if (hiddenBelow !== undefined && line.trim() !== "") {
      if (indentOf(line) > hiddenBelow) return `${line.slice(0, indentOf(line))}${REDACTED}`;
      hiddenBelow = undefined;
    }
    const assigned = ASSIGNED.exec(line);
    const [, before = "", key = "", value = ""] = assigned ?? TWO_WORDS.exec(line) ?? [];
    if (key === "" || !(assigned ? isSecretKey : isSecretWord)(key) || HARMLESS.test(value)) return line;
    if (BLOCK.test(value)) {
      hiddenBelow = indentOf(line);
      return line;
    }
    return before + REDACTED;
  });
  return lines.join("\n");
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
