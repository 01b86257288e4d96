"""Writes a model with random weights that llama.cpp's server can load: Llama 3's real tokenizer, nothing learnt.

Its text is nonsense, but it is the same nonsense every time at temperature 0, which is all that a gateway's tests need.

usage: tiny_model.py VOCABULARY.gguf MODEL.gguf
"""

import sys

import gguf
import numpy

EMBEDDING, BLOCKS, HEADS, FEED_FORWARD, CONTEXT = 64, 2, 4, 128, 8192
SEED = 20_260

# Llama 3 turns, with tool calls as bare JSON objects. From this the server learns the grammar that it holds the model to:
# {"name": …, "parameters": …}, several in a row if the request allows it.
CHAT_TEMPLATE = r"""
{{- bos_token }}
{%- if tools %}{{- "<|start_header_id|>system<|end_header_id|>\n\nTools, one a line:\n" }}
{%- for tool in tools %}{{- tool | tojson }}{{- "\n" }}{%- endfor %}{{- "<|eot_id|>" }}{%- endif %}
{%- for message in messages %}
{{- "<|start_header_id|>" + message.role + "<|end_header_id|>\n\n" }}
{%- if message.content is string %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- "{\"name\": \"" + call.function.name + "\", \"parameters\": " }}
{%- if call.function.arguments is string %}{{- call.function.arguments }}
{%- else %}{{- call.function.arguments | tojson }}{%- endif %}
{{- "}" }}
{%- endfor %}
{{- "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}{{- "<|start_header_id|>assistant<|end_header_id|>\n\n" }}{%- endif %}"""


def main(vocabulary_path, model_path):
    vocabulary = gguf.GGUFReader(vocabulary_path)
    writer = gguf.GGUFWriter(model_path, arch="llama")
    describe_architecture(writer)
    token_count = copy_tokenizer(vocabulary, writer)
    add_tensors(writer, token_count)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe_architecture(writer):
    writer.add_name("weir-tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_chat_template(CHAT_TEMPLATE)


def copy_tokenizer(vocabulary, writer):
    """Copies every `tokenizer.*` field but the chat template; returns how many tokens there are."""
    token_count = 0
    for name, field in vocabulary.fields.items():
        if not name.startswith("tokenizer.") or name == "tokenizer.chat_template":
            continue
        value = field.contents()
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, value)
        else:
            writer.add_key_value(name, value, field.types[0])
        if name == "tokenizer.ggml.tokens":
            token_count = len(value)
    writer.add_vocab_size(token_count)
    return token_count


def add_tensors(writer, token_count):
    random = numpy.random.default_rng(SEED)

    def matrix(name, rows, columns):
        values = random.standard_normal((rows, columns), dtype=numpy.float32) / numpy.sqrt(columns)
        writer.add_tensor(name, values.astype(numpy.float16))

    def ones(name):
        writer.add_tensor(name, numpy.ones(EMBEDDING, dtype=numpy.float32))

    matrix("token_embd.weight", token_count, EMBEDDING)
    for block in range(BLOCKS):
        ones(f"blk.{block}.attn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{block}.{part}.weight", EMBEDDING, EMBEDDING)
        ones(f"blk.{block}.ffn_norm.weight")
        matrix(f"blk.{block}.ffn_gate.weight", FEED_FORWARD, EMBEDDING)
        matrix(f"blk.{block}.ffn_up.weight", FEED_FORWARD, EMBEDDING)
        matrix(f"blk.{block}.ffn_down.weight", EMBEDDING, FEED_FORWARD)
    ones("output_norm.weight")
    matrix("output.weight", token_count, EMBEDDING)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
