/* An adapter, for servers that take a prompt as plain text and answer with plain text, piece by piece.
 * Configuration: {"path": "/generate"}. plugins/cohere in weir's repository is one for a real provider. */

#define WEIR_ADAPTER
#include "weir_plugin.h"

static weir_text path;

static weir_text plugin_configure(weir_text config) {
    weir_text value;
    bool said = weir_json_member(config, WEIR_STR("path"), &value) && weir_json_is_text(value);
    path = said ? weir_kept(weir_json_text(value)) : WEIR_STR("/generate");
    return WEIR_STR("");
}

static weir_adapter_info plugin_describe(void) {
    static weir_api accepts[] = {WEIR_CHAT_COMPLETIONS};
    return (weir_adapter_info){WEIR_STR("plugin-name"), {accepts, 1}};
}

static bool permanent(weir_error *error, weir_text message) {
    *error = (weir_error){WEIR_PERMANENT, message};
    return false;
}

/* The last word of the user is the prompt. */
static bool plugin_encode(weir_wire_request *request, const weir_candidate *target, weir_error *error) {
    weir_segments segments;
    weir_request_segments(&segments);
    size_t last = segments.count;
    while (last > 0 && segments.at[last - 1].role != WEIR_USER) last--;
    if (last == 0) return permanent(error, WEIR_STR("there is no message of the user to make a prompt of"));
    weir_header *headers = weir_memory(2 * sizeof(weir_header));
    headers[0] = (weir_header){WEIR_STR("content-type"), WEIR_STR("text/plain")};
    headers[1] = (weir_header){WEIR_STR("x-model"), target->model};
    *request = (weir_wire_request){WEIR_STR("POST"), path, {headers, 2}, segments.at[last - 1].text};
    return true;
}

/* Text as it comes; a character may be cut between two pieces. */
typedef struct { char held[4]; size_t bytes; } decoder;

static void *plugin_decoder_open(uint16_t status, weir_headers headers) {
    (void)status, (void)headers;
    return calloc(1, sizeof(decoder));
}

/* How many bytes there are before a character that is cut off. */
static size_t whole_characters(weir_text text) {
    for (size_t back = 1; back <= 4 && back <= text.bytes; back++) {
        unsigned char byte = (unsigned char)text.at[text.bytes - back];
        if ((byte & 0xc0) == 0x80) continue;
        size_t wants = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return wants > back ? text.bytes - back : text.bytes;
    }
    return text.bytes;
}

static bool plugin_decoder_push(void *at, weir_events *events, weir_text chunk, weir_error *error) {
    (void)error;
    decoder *decoder = at;
    weir_text held = {decoder->held, decoder->bytes};
    weir_text text = WEIR_JOIN(held, chunk);
    size_t whole = whole_characters(text);
    decoder->bytes = text.bytes - whole;
    memcpy(decoder->held, text.at + whole, decoder->bytes);
    if (whole > 0) {
        *events = (weir_events){weir_memory(sizeof(weir_event)), 1};
        events->at[0].is = WEIR_TEXT;
        events->at[0].text = (weir_text_delta){0, weir_slice(text, 0, whole)};
    }
    return true;
}

static bool plugin_decoder_finish(void *at, weir_events *events, weir_error *error) {
    if (((decoder *)at)->bytes > 0) return permanent(error, WEIR_STR("the answer ends within a character"));
    *events = (weir_events){weir_memory(sizeof(weir_event)), 1};
    events->at[0].is = WEIR_FINISH;
    events->at[0].finish = (weir_finish){0, WEIR_STR("stop")};
    return true;
}

static void plugin_decoder_close(void *decoder) { free(decoder); }

static weir_failure plugin_classify(uint16_t status, weir_headers headers, weir_text body) {
    (void)headers;
    bool retryable = status == 429 || status >= 500;
    return (weir_failure){retryable, WEIR_STR("upstream_refused"), body, {false, 0}};
}
