// Embeddings, uploads and bytes, by the openai package of npm.
import assert from "node:assert/strict";
import { test } from "node:test";

import { toFile } from "openai";

import { chatModel, client, embeddingModel } from "./place.mjs";

test("embeddings come as floats", async () => {
  const answer = await client.embeddings.create({ model: embeddingModel, input: ["a river", "a lake"] });
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data[0].embedding.length > 8);
  assert.ok(answer.data[0].embedding.every(Number.isFinite));
});

test("a transcription is uploaded as a form", async () => {
  const file = await toFile(Buffer.alloc(200_000), "silence.wav", { type: "audio/wav" });
  assert.ok((await client.audio.transcriptions.create({ model: chatModel, file })).text);
});

test("speech comes as bytes", async () => {
  const answer = await client.audio.speech.create({ model: chatModel, voice: "alloy", input: "A weir holds a pool." });
  assert.ok((await answer.arrayBuffer()).byteLength > 0);
});

test("an image is generated", async () => {
  const answer = await client.images.generate({ model: chatModel, prompt: "a weir", response_format: "b64_json" });
  assert.ok(answer.data[0].b64_json);
});
