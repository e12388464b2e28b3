import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET_TERMS } from "../../../../primary/admit/secret-keys.js";
import { createConfigRedaction } from "../../../../primary/sources/files/redact-config-text.js";

const redact = createConfigRedaction(SECRET_TERMS);

test("values of secret names are hidden in the forms that configuration files have", () => {
  const hidden = [
    "password=hunter2",
    "password = hunter2",
    "  db_password: hunter2",
    "# smtp_pass : hunter2",
    "export API_TOKEN='hunter2'",
    "requirepass hunter2",
    "bindpw hunter2",
    "<password>hunter2</password>",
    '<secret type="x">hunter2</secret>',
    "admin:$6$saltsalt$hunter2hunter2",
    "deploy:$apr1$salt$hunter2hunter2:",
    '"client-secret": "hunter2",',
    "url = postgres://app:hunter2@db/app",
    "password: correct horse hunter2",
    "password: |\n  hunter2\n  hunter2",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
  ];
  for (const text of hidden) {
    assert.doesNotMatch(redact(text), /hunter2/, text);
    assert.match(redact(text), /\[redacted\]/, text);
  }
});

test("settings that only look like secrets stay readable", () => {
  const shown = [
    "PermitEmptyPasswords no",
    "PasswordAuthentication yes",
    "password\trequisite\tpam_pwquality.so retry=3",
    "passwd:         files systemd",
    "PASS_MAX_DAYS\t99999",
    "proxy_pass http://backend;",
    "kpasswd\t\t464/tcp",
    "token_count = 5",
    "password: yes",
    "key = value",
    "use_secret: true",
    "password: |\nnext: shown",
  ];
  for (const text of shown) assert.equal(redact(text), text);
});

test("redacting twice changes nothing more, and without keys only what is a secret by its form is hidden", () => {
  for (const text of ["password = x", "password: |\n  x\n  y", "<token>x</token>", "a:$6$ssssssss$yyyyyyyyy"]) {
    assert.equal(redact(redact(text)), redact(text));
  }
  const plain = createConfigRedaction([]);
  assert.equal(plain("password = x"), "password = x");
  assert.match(plain("a:$6$ssssssss$yyyyyyyyy"), /^a:\[redacted\]$/);
});

test("a text that was made to take long does not", () => {
  const started = process.cpuUsage();
  for (const piece of [" ", "-", "#", "a", "a.", "export ", "<a ", "$6$", "password ", "p=", '"', "\t:"]) {
    redact(piece.repeat(262_144 / piece.length));
    redact(`${piece.repeat(1000)}\n`.repeat(30));
  }
  assert.ok(process.cpuUsage(started).user < 8_000_000);
});
