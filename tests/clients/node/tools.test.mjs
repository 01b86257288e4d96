// Tools and structured output, by the openai package of npm and its zod helper.
import assert from "node:assert/strict";
import { test } from "node:test";

import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { chatModel, client, collect, oneToolCall } from "./place.mjs";

const tool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string", enum: ["Paris", "Oslo"] } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};
const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
const asked = { model: chatModel, messages, tools: [tool], tool_choice: "required", max_tokens: 200, ...oneToolCall };

function checkArguments(text) {
  assert.ok(["Paris", "Oslo"].includes(JSON.parse(text).city));
}

test("a required tool is called", async () => {
  const [call] = (await client.chat.completions.create(asked)).choices[0].message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  checkArguments(call.function.arguments);
});

test("the fragments of a streamed call join", async () => {
  const chunks = await collect(await client.chat.completions.create({ ...asked, stream: true }));
  const calls = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  checkArguments(calls.map((call) => call.function.arguments ?? "").join(""));
});

test("the tool loop ends with an answer", async () => {
  const first = (await client.chat.completions.create(asked)).choices[0].message;
  const results = first.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: '{"degrees":4}' }));
  const last = await client.chat.completions.create({
    model: chatModel,
    tools: [tool],
    messages: [...messages, first, ...results],
    tool_choice: "none",
    max_tokens: 10,
  });
  assert.ok(last.choices[0].message.content);
});

const River = z.object({ size: z.enum(["small", "large"]), navigable: z.boolean() });
const aboutRivers = {
  model: chatModel,
  messages: [{ role: "user", content: "Describe the river." }],
  response_format: zodResponseFormat(River, "river"),
  max_tokens: 300,
};

test("the parse helper gives an object", async () => {
  const answer = await client.chat.completions.parse(aboutRivers);
  River.parse(answer.choices[0].message.parsed);
});

test("the stream helper collects the whole answer", async () => {
  const runner = client.chat.completions.stream(aboutRivers);
  let text = "";
  runner.on("content", (piece) => (text += piece));
  const final = await runner.finalChatCompletion();
  assert.equal(text, final.choices[0].message.content);
  River.parse(final.choices[0].message.parsed);
});
