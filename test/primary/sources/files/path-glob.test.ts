import assert from "node:assert/strict";
import { test } from "node:test";
import { globNames, globProblem, PathGlob } from "../../../../primary/sources/files/path-glob.js";

const matches = (glob: string, path: string) => new PathGlob(glob).matches(globNames(path));
const reaches = (glob: string, folder: string) => new PathGlob(glob).reachesInto(globNames(folder));

test("`**` stands for any number of folders, none too; in a segment a star is no slash, and dots are nothing special", () => {
  const rows: [string, string, boolean][] = [
    ["/etc/**", "/etc", true],
    ["/etc/**", "/etc/a/.b/c", true],
    ["/etc/**", "/etcetera", false],
    ["/etc/*.conf", "/etc/a.conf", true],
    ["/etc/*.conf", "/etc/.a.conf", true],
    ["/etc/*.conf", "/etc/d/a.conf", false],
    ["/etc/**/*.conf", "/etc/a.conf", true],
    ["/etc/**/d/**/a", "/etc/x/d/y/z/a", true],
    ["/etc/**/**/a", "/etc/a", true],
    ["/etc/{hosts,passwd}", "/etc/passwd", true],
    ["/etc/[ab]?", "/etc/b1", true],
    ["/etc/hosts", "/etc/hosts", true],
    ["/etc/!hosts", "/etc/passwd", false],
    ["*.swp", "/etc/x/.a.swp", true],
    ["**", "/a/b", true],
    ["/", "/etc", false],
  ];
  for (const [glob, path, expected] of rows) assert.equal(matches(glob, path), expected, `${glob} ${path}`);
});

test("a folder is reached into only where a match can lie in it", () => {
  const rows: [string, string, boolean][] = [
    ["/home/*/.ssh/**", "/", true],
    ["/home/*/.ssh/**", "/home", true],
    ["/home/*/.ssh/**", "/home/bob", true],
    ["/home/*/.ssh/**", "/home/bob/photos", false],
    ["/home/*/.ssh/**", "/home/bob/.ssh/deep", true],
    ["/etc/hosts", "/etc", true],
    ["/etc/hosts", "/etc/hosts", false],
  ];
  for (const [glob, folder, expected] of rows) assert.equal(reaches(glob, folder), expected, `${glob} ${folder}`);
  assert.deepEqual(new PathGlob("/etc/app/*.conf").nextNames(["etc"]), ["app"]);
  assert.equal(new PathGlob("/etc/app/*.conf").nextNames(["etc", "app"]), undefined);
  assert.deepEqual(new PathGlob("/etc/app/*.conf").nextNames(["usr"]), []);
});

test("a name that is no text or has a line break in it cannot slip past a glob", () => {
  assert.ok(new PathGlob("*.key").matches(globNames("/etc/\na.key")));
  assert.ok(new PathGlob("*.key").matches(globNames("/etc/caf\xe9.key")));
});

test("globs that could not be taken apart at the slashes are refused", () => {
  assert.match(String(globProblem("/etc/{a/b,c}")), /no `\/` inside braces/);
  assert.match(String(globProblem("/etc/../root/*")), /no `\.` or `\.\.`/);
  assert.equal(globProblem("/etc/{a,b}/[c-d]*"), undefined);
});

test("a glob that a name was made for does not take long", () => {
  const names = globNames(`/${"a".repeat(250)}/${"b/".repeat(40)}`);
  const started = process.cpuUsage();
  assert.equal(new PathGlob("/**/*a*a*a*a*/**/b/**/b/**/b/**/c").matches(names), false);
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});
