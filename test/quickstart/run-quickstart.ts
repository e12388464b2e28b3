// `npm run quickstart [-- --keep]`: the whole of Isochron on this machine, stage by stage in the order of the flow, each
// with the command that a user would type and what it said. Makes everything in one new folder and leaves nothing behind,
// however it ends; with --keep it goes on serving until Ctrl-C.
import { CleanUp } from "./clean-up.js";
import { ingestFilesOfEtc, ingestSomeLines } from "./ingest-events.js";
import { showDbusFace, showLiveEvents, startLiveHost } from "./live-host.js";
import { makePrimary, makeReplica, startDaemons, trustEachOther } from "./make-both-sides.js";
import { makeSession, type Session } from "./make-session.js";
import { pickElement } from "./pick-element.js";
import { say, showHeading } from "./print-story.js";
import { tamperWithCopy } from "./tamper-with-copy.js";
import { waitForPackages, waitForReplica } from "./wait-for-stage.js";

const KEEP = process.argv.slice(2).includes("--keep");

const cleanUp = new CleanUp();
try {
  await tellStory(await makeSession(cleanUp));
} catch (error) {
  // What a signal broke off is no failure of the story.
  if (!cleanUp.signal.aborted) {
    const { message, hint } = error as { message: string; hint?: string };
    process.stderr.write(`quickstart: ${message}\n${hint ? `hint: ${hint}\n` : ""}`);
    process.exitCode = 1;
  }
} finally {
  await cleanUp.run();
}
process.exit(cleanUp.exitCode ?? process.exitCode);

async function tellStory(session: Session): Promise<void> {
  say("Isochron on one machine: a primary that records, a replica that holds the record and answers.");
  say(`Everything is made in ${session.folder}.`);

  showHeading("Two stores, and the keys by which they know each other");
  await makePrimary(session);
  await makeReplica(session);
  const host = await startLiveHost(session);
  await trustEachOther(session, host);
  await startDaemons(session);

  showHeading("event source → admit → ledger append");
  const packages = await waitForPackages(session);
  if (packages === 0) await ingestFilesOfEtc(session);
  else say(`The packages source has read this machine's dpkg.log: ${packages} events.`);

  showHeading("vectorize → seal → push: the first generation goes over whole");
  await session.primary("seal");
  await waitForReplica(session);
  await session.primary("status");

  await showLiveEvents(session, host);

  showHeading("A secret, a critical event, and a line that is refused");
  const secret = await ingestSomeLines(session);
  say("A critical event seals at once: this one is on the replica already, as an increment, without its password.");
  await waitForReplica(session);
  await session.primaryLines(/REPLICA|replica-1/, "status");
  await session.replicaLines(/^(element_id|hash|priority|redacted|seq|state| {2})/, "event", String(secret));

  showHeading("receive → verify → promote: done by the replica; done again here by hand");
  await session.replica("verify");

  showHeading("index → query: any replica answers");
  await askReplica(session);

  await showDbusFace(session, host);

  showHeading("What a flipped byte does");
  await tamperWithCopy(session);

  showHeading("What to try next");
  await end(session);
}

async function askReplica(session: Session): Promise<void> {
  const { elementId, elementType, words } = await pickElement(session);
  await session.replica("search", words, "--limit", "3");
  await session.replica("chain", elementId, "--limit", "5");
  await session.replica("timeline", "--type", elementType, "--reverse", "--limit", "3");
  await session.replicaLines(/^(action|hash|height|timestamp|state| {2}|generation)/, "state", elementId);
  await session.replica("similar", elementId, "--limit", "3");
  await session.replica("status");
}

async function end(session: Session): Promise<void> {
  if (!KEEP) {
    say("Both daemons are stopped and everything is removed now. To look around for yourself:");
    say("  npm run quickstart -- --keep");
    say("On real hosts: README.md, “Installing by hand”.");
    return;
  }
  say("Both daemons go on serving until Ctrl-C; then everything is removed. In another terminal:");
  say(`  export PATH="$PATH:${session.binFolder}"`);
  for (const line of session.commandsToTry()) say(`  ${line}`);
  await session.untilSignal();
  // With --keep, Ctrl-C is how it is meant to end.
  session.cleanUp.exitCode = 0;
}
