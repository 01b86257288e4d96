// What weir adds: its own errors, the joined model list, request ids.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { chatModel, client, collect, embeddingModel, url } from "./place.mjs";

const messages = [{ role: "user", content: "hello" }];

test("the model list joins what the hosts serve", async () => {
  const names = (await collect(await client.models.list())).map((model) => model.id);
  assert.deepEqual(names.sort(), [chatModel, embeddingModel].sort());
});

test("an unknown model is a NotFoundError", async () => {
  await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.ok(error.requestID);
    return true;
  });
});

test("a missing model is a BadRequestError", async () => {
  await assert.rejects(client.chat.completions.create({ messages }), OpenAI.BadRequestError);
});

test("the base URL works without /v1", async () => {
  const bare = new OpenAI({ baseURL: url, apiKey: "client-secret", maxRetries: 0 });
  const answer = await bare.chat.completions.create({ model: chatModel, messages, max_tokens: 4 });
  assert.ok(answer.choices[0].message.content);
});
