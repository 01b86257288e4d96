// Chat, whole and streamed, legacy completions and responses, by the openai package of npm.
import assert from "node:assert/strict";
import { test } from "node:test";

import { chatModel, client, collect } from "./place.mjs";

const question = { model: chatModel, messages: [{ role: "user", content: "What does a weir do?" }], max_tokens: 10 };

test("chat answers with text and usage", async () => {
  const answer = await client.chat.completions.create(question);
  assert.equal(answer.object, "chat.completion");
  assert.ok(answer.choices[0].message.content);
  assert.ok(answer.usage.completion_tokens > 0);
});

test("a streamed chat arrives in pieces and ends", async () => {
  const chunks = await collect(await client.chat.completions.create({ ...question, stream: true }));
  const pieces = chunks.map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
  assert.ok(pieces.length > 1);
  assert.match(chunks.at(-1).choices[0].finish_reason, /^(stop|length)$/);
  assert.ok(chunks.every((chunk) => !chunk.usage), "usage was not asked for");
});

test("a stream bears usage when it was asked for", async () => {
  const asked = { ...question, stream: true, stream_options: { include_usage: true } };
  const last = (await collect(await client.chat.completions.create(asked))).at(-1);
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.completion_tokens > 0);
});

test("going away in mid-stream throws nothing", async () => {
  const stream = await client.chat.completions.create({ ...question, max_tokens: 4000, stream: true });
  let seen = 0;
  for await (const _ of stream) if (++seen === 3) break;
  assert.ok(stream.controller.signal.aborted);
});

test("legacy completions answer and stream", async () => {
  const asked = { model: chatModel, prompt: "Water flows", max_tokens: 5 };
  assert.ok((await client.completions.create(asked)).choices[0].text);
  const chunks = await collect(await client.completions.create({ ...asked, stream: true }));
  assert.ok(chunks.map((chunk) => chunk.choices[0].text).join(""));
});

test("a response has text, whole and streamed", async () => {
  const asked = { model: chatModel, input: "What does a weir do?", max_output_tokens: 16 };
  assert.ok((await client.responses.create(asked)).output_text);
  const events = await collect(await client.responses.create({ ...asked, stream: true }));
  assert.equal(events[0].type, "response.created");
  assert.match(events.at(-1).type, /^response\.(completed|incomplete)$/);
});
