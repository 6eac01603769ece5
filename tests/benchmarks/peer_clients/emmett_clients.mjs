// Append events to Emmett's PostgreSQL store from several clients: SOCKET_FOLDER DATABASE FILE PRODUCERS.
import { readFileSync } from "node:fs";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";

const [folder, database, file, count] = process.argv.slice(2);
const producers = Number(count);
const url = `postgresql://postgres@/${database}?host=${encodeURIComponent(folder)}`;
const store = getPostgreSQLEventStore(url, { schema: { autoMigration: "None" } });
await store.schema.migrate();
const events = JSON.parse(readFileSync(file, "utf8")).map((event, at) => ({
  // A stream each, so that no two producers conflict.
  stream: `${event.subject}-${at}`,
  event: { type: event.type, data: event.data, metadata: { id: event.id, source: event.source, time: event.time } },
}));

async function produce(producer, first, last) {
  for (let at = first + producer; at < last; at += producers)
    await store.appendToStream(events[at].stream, [events[at].event]);
}

const all = (first, last) =>
  Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer, first, last)));
await all(0, producers);
const began = performance.now();
await all(producers, events.length);
console.log((performance.now() - began) / 1000);
await store.close();
process.exit(0);
