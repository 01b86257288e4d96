// Where the tests point: the address and the model names come from the Python side, which started the servers.
import OpenAI from "openai";

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run the tests through tests/clients/run.sh`);
  return value;
}

export const url = required("WEIR_TEST_URL");
export const chatModel = required("WEIR_TEST_CHAT_MODEL");
export const embeddingModel = required("WEIR_TEST_EMBEDDING_MODEL");
// Request fields that make a model with random weights begin a tool call and end after one.
export const oneToolCall = JSON.parse(required("WEIR_TEST_ONE_TOOL_CALL"));

// Never retries by itself, so that a test sees what weir really answered.
export const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "client-secret", maxRetries: 0, timeout: 60_000 });

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}
