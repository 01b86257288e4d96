/* What plugins for weir are written with in C: the types of the contract (weir:plugin@0.1.0), what a plugin may ask of its host,
 * and the exports of its world.
 *
 * Before including this file, once, in one source file, define one of WEIR_GUARD, WEIR_ROUTER, WEIR_AUTH, WEIR_OBSERVER and
 * WEIR_ADAPTER; then write the functions that it declares for that hook at its end.
 *
 * Memory: whatever the host hands over, and whatever weir_memory() and the functions built on it give, lives until the call of the
 * hook ends, and is then taken back by itself. What must live longer is copied to memory of your own (malloc, weir_kept()).
 *
 * Structs stand in memory as the canonical ABI of the component model has them, so that nothing is converted. */
#ifndef WEIR_PLUGIN_H
#define WEIR_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ------------------------------------------------------------------------------------------------------- */

/* UTF-8, or bytes; without a zero at its end. */
typedef struct { const char *at; size_t bytes; } weir_text;
typedef struct { bool is_some; weir_text value; } weir_optional_text;
typedef struct { bool is_some; uint32_t value; } weir_optional_u32;
typedef struct { bool is_some; uint64_t value; } weir_optional_u64;
typedef struct { bool is_some; float value; } weir_optional_f32;

#define WEIR_LIST(name, type) typedef struct { type *at; size_t count; } name

typedef struct { weir_text key, value; } weir_pair;
WEIR_LIST(weir_pairs, weir_pair);
WEIR_LIST(weir_texts, weir_text);
/* A header's value are bytes; names are in lower case. */
typedef struct { weir_text name, value; } weir_header;
WEIR_LIST(weir_headers, weir_header);

typedef enum {
    WEIR_CHAT_COMPLETIONS, WEIR_RESPONSES, WEIR_MESSAGES, WEIR_GENERATE_CONTENT, WEIR_COMPLETIONS, WEIR_EMBEDDINGS, WEIR_OLLAMA,
    WEIR_RERANK, WEIR_MODERATIONS, WEIR_IMAGES, WEIR_AUDIO_SPEECH, WEIR_AUDIO_TRANSCRIPTIONS, WEIR_OTHER_API
} weir_api_case;
typedef uint8_t weir_api;
WEIR_LIST(weir_apis, weir_api);

typedef struct {
    weir_text id;
    weir_optional_text tenant, project, user;
    weir_texts scopes, models;
    weir_pairs attributes;
} weir_principal;

typedef struct {
    weir_text id;
    weir_api api;
    weir_text operation, model;
    bool stream;
    weir_text method, path, client_ip;
    uint64_t received_unix_ms;
    uint32_t deadline_ms, attempt;
    uint64_t body_bytes;
    uint32_t message_count, prompt_tokens_estimate;
    weir_optional_u32 max_output_tokens;
    bool has_tools, has_images;
    weir_optional_text session, traceparent;
    struct { bool is_some; weir_principal value; } principal;
    weir_pairs tags;
} weir_request_meta;

typedef enum { WEIR_SYSTEM, WEIR_DEVELOPER, WEIR_USER, WEIR_ASSISTANT, WEIR_TOOL, WEIR_OTHER_ROLE } weir_role_case;
typedef struct { uint32_t index; uint8_t role; weir_text pointer, text; } weir_segment;
WEIR_LIST(weir_segments, weir_segment);

typedef struct { uint64_t input, output, cached_input, cache_write, reasoning; } weir_usage;
typedef struct { uint16_t status; weir_text code, message; weir_headers headers; } weir_rejection;
typedef struct { uint16_t status; weir_headers headers; weir_text body; } weir_reply;

typedef struct {
    enum {
        WEIR_SET_HEADER, WEIR_REMOVE_HEADER, WEIR_SET_SEGMENT, WEIR_SET_JSON, WEIR_REMOVE_JSON, WEIR_REPLACE_BODY, WEIR_SET_MODEL,
        WEIR_SET_TAG
    } __attribute__((packed)) is;
    union {
        weir_header set_header;
        weir_text remove_header, remove_json, replace_body, set_model;
        struct { uint32_t index; weir_text text; } set_segment;
        struct { weir_text pointer, json; } set_json;
        weir_pair set_tag;
    };
} weir_edit;
WEIR_LIST(weir_edits, weir_edit);

typedef struct {
    enum { WEIR_PASS, WEIR_EDIT, WEIR_REJECT, WEIR_REPLY } __attribute__((packed)) is;
    union { weir_edits edit; weir_rejection reject; weir_reply reply; };
} weir_verdict;

typedef struct { uint32_t choice; weir_text text; } weir_text_delta;
typedef struct { uint32_t choice, index; weir_optional_text id, name; weir_text arguments; } weir_tool_delta;
typedef struct { uint32_t choice; weir_text reason; } weir_finish;
typedef struct { weir_optional_text event; weir_text data; } weir_raw_event;
typedef struct {
    enum { WEIR_TEXT, WEIR_REASONING, WEIR_REFUSAL, WEIR_TOOL_CALL, WEIR_USAGE, WEIR_FINISH, WEIR_RAW } __attribute__((packed)) is;
    union {
        weir_text_delta text, reasoning, refusal;
        weir_tool_delta tool_call;
        weir_usage usage;
        weir_finish finish;
        weir_raw_event raw;
    };
} weir_event;
WEIR_LIST(weir_events, weir_event);

typedef struct {
    enum { WEIR_PASS_EVENTS, WEIR_DROP_EVENTS, WEIR_REPLACE_EVENTS, WEIR_ABORT } __attribute__((packed)) is;
    union { weir_events replace; weir_rejection abort; };
} weir_events_verdict;

typedef struct { uint16_t status; weir_headers headers; weir_text upstream, model; } weir_response_head;

typedef struct {
    weir_text id, provider, model;
    weir_optional_text region;
    uint32_t weight;
    bool healthy;
    uint32_t in_flight;
    weir_optional_u32 queue_depth;
    float ttft_ms_ewma, tokens_per_second_ewma, error_rate;
    weir_optional_f32 kv_cache_usage, prefix_match;
    float input_usd_per_mtok, output_usd_per_mtok, score;
    weir_pairs labels;
} weir_candidate;
WEIR_LIST(weir_candidates, weir_candidate);
typedef struct { uint32_t index; float score; } weir_ranked;
WEIR_LIST(weir_ranking, weir_ranked);
typedef struct {
    enum { WEIR_USE_DEFAULT, WEIR_RANKED, WEIR_REJECT_CHOICE } __attribute__((packed)) is;
    union { weir_ranking ranked; weir_rejection reject; };
} weir_choice;

typedef struct {
    weir_request_meta meta;
    weir_text upstream, upstream_model;
    uint16_t status;
    weir_optional_text error_code;
    weir_usage usage;
    int64_t cost_nanos; /* billionths of the ledger's currency */
    weir_optional_f32 ttft_ms;
    float total_ms;
    bool cache_hit;
    weir_optional_text request_json, response_json;
} weir_outcome;
WEIR_LIST(weir_outcomes, weir_outcome);

typedef struct {
    enum { WEIR_ALLOW, WEIR_DENY, WEIR_ABSTAIN } __attribute__((packed)) is;
    union { weir_principal allow; weir_rejection deny; };
} weir_decision;

typedef struct { bool requests, answers, streams, whole_answers; } weir_wanted;
typedef struct { weir_text name; weir_apis accepts; } weir_adapter_info;
typedef struct { weir_text method, path; weir_headers headers; weir_text body; } weir_wire_request;
typedef struct { bool retryable; weir_text code, message; weir_optional_u64 retry_after_ms; } weir_failure;

/* Why a hook could not do its work; the host then does as the plugin's `on_error` says. */
typedef struct { enum { WEIR_RETRYABLE, WEIR_PERMANENT } __attribute__((packed)) is; weir_text message; } weir_error;

typedef struct { uint16_t status; weir_headers headers; weir_text body; } weir_http_answer;
typedef struct {
    enum { WEIR_DENIED, WEIR_TIMEOUT, WEIR_CONNECT, WEIR_TOO_LARGE, WEIR_OTHER_ERROR } __attribute__((packed)) is;
    weir_text message;
} weir_http_error;

/* Results of what may fail: `ok`, or `error` where `failed`. */
typedef struct { bool failed; union { weir_optional_text ok; weir_text error; }; } weir_kv_value;
typedef struct { bool failed; union { int64_t ok; weir_text error; }; } weir_kv_sum;
typedef struct { bool failed; weir_text error; } weir_kv_done;
typedef struct { bool failed; union { weir_http_answer ok; weir_http_error error; }; } weir_http_result;

/* ---- the host ---------------------------------------------------------------------------------------------------- */

#define WEIR_IMPORT(interface, name) \
    extern __attribute__((import_module("weir:plugin/" interface "@0.1.0"), import_name(name)))

/* The exchange that the call is about. Credentials are never in it. */
WEIR_IMPORT("exchange", "meta") void weir_meta(weir_request_meta *);
WEIR_IMPORT("exchange", "request-header") void weir_request_header(const char *name, size_t bytes, weir_optional_text *);
WEIR_IMPORT("exchange", "request-headers") void weir_request_headers(weir_headers *);
WEIR_IMPORT("exchange", "request-segments") void weir_request_segments(weir_segments *);
WEIR_IMPORT("exchange", "request-json") void weir_request_json(const char *pointer, size_t bytes, weir_optional_text *);
WEIR_IMPORT("exchange", "request-body") void weir_request_body(weir_text *);
WEIR_IMPORT("exchange", "response-status") uint32_t weir_response_status(void);
WEIR_IMPORT("exchange", "response-headers") void weir_response_headers(weir_headers *);
WEIR_IMPORT("exchange", "response-segments") void weir_response_segments(weir_segments *);
WEIR_IMPORT("exchange", "response-body") void weir_response_body(weir_text *);

typedef enum { WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR } weir_level;
WEIR_IMPORT("log", "write") void weir_log(uint32_t level, const char *message, size_t bytes);

WEIR_IMPORT("metrics", "count")
void weir_count(const char *name, size_t bytes, const weir_pair *labels, size_t many, double delta);
WEIR_IMPORT("metrics", "observe")
void weir_observe(const char *name, size_t bytes, const weir_pair *labels, size_t many, double value);
WEIR_IMPORT("metrics", "gauge")
void weir_gauge(const char *name, size_t bytes, const weir_pair *labels, size_t many, double value);

WEIR_IMPORT("clock", "unix-ms") uint64_t weir_unix_ms(void);
WEIR_IMPORT("clock", "monotonic-ns") uint64_t weir_monotonic_ns(void);
WEIR_IMPORT("random", "bytes") void weir_random(uint32_t many, weir_text *);

/* With the grant `kv`: shared by all instances of the plugin. */
WEIR_IMPORT("kv", "get") void weir_kv_get(const char *key, size_t bytes, weir_kv_value *);
WEIR_IMPORT("kv", "set")
void weir_kv_set(
    const char *key, size_t bytes, const char *value, size_t value_bytes, uint32_t has_ttl, uint64_t ttl_ms, weir_kv_done *
);
WEIR_IMPORT("kv", "add")
void weir_kv_add(const char *key, size_t bytes, int64_t delta, uint32_t has_ttl, uint64_t ttl_ms, weir_kv_sum *);
WEIR_IMPORT("kv", "delete") void weir_kv_delete(const char *key, size_t bytes, weir_kv_done *);

WEIR_IMPORT("secrets", "get") void weir_secret(const char *name, size_t bytes, weir_optional_text *);

WEIR_IMPORT("http", "send")
void weir_http(
    const char *method, size_t method_bytes, const char *url, size_t url_bytes, const weir_header *headers, size_t many_headers,
    const char *body, size_t body_bytes, uint32_t timeout_ms, weir_http_result *
);

/* ---- memory of one call -------------------------------------------------------------------------------------------- */

typedef struct weir_block { struct weir_block *before; size_t room, used; } weir_block;
static weir_block *weir_last_block;

#define WEIR_BLOCK_BYTES 65536

/* Aligned to 8 bytes; there is always some, or the guest ends. */
static void *weir_memory(size_t bytes) {
    bytes = (bytes + 7) & ~(size_t)7;
    if (!weir_last_block || weir_last_block->room - weir_last_block->used < bytes) {
        size_t room = bytes > WEIR_BLOCK_BYTES ? bytes : WEIR_BLOCK_BYTES;
        weir_block *block = malloc(sizeof(weir_block) + 8 + room);
        if (!block) __builtin_trap();
        *block = (weir_block){weir_last_block, room, 0};
        weir_last_block = block;
    }
    char *begin = (char *)(((uintptr_t)(weir_last_block + 1) + 7) & ~(uintptr_t)7);
    void *at = begin + weir_last_block->used;
    weir_last_block->used += bytes;
    return at;
}

/* The call has ended. */
static void weir_forget(void) {
    while (weir_last_block && weir_last_block->before) {
        weir_block *before = weir_last_block->before;
        free(weir_last_block);
        weir_last_block = before;
    }
    if (weir_last_block) weir_last_block->used = 0;
}

/* The host asks for memory with this, for what it hands over. */
__attribute__((export_name("cabi_realloc")))
void *weir_reallocate(void *at, size_t bytes, size_t align, size_t bytes_wanted) {
    (void)align;
    void *to = weir_memory(bytes_wanted);
    if (bytes) memcpy(to, at, bytes < bytes_wanted ? bytes : bytes_wanted);
    return to;
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

#define WEIR_STR(literal) ((weir_text){(literal), sizeof(literal) - 1})

__attribute__((unused))
static bool weir_equal(weir_text one, weir_text other) {
    return one.bytes == other.bytes && memcmp(one.at, other.at, one.bytes) == 0;
}

/* Where `part` begins in `text`, or -1. */
__attribute__((unused))
static long weir_find(weir_text text, weir_text part) {
    for (size_t place = 0; place + part.bytes <= text.bytes; place++)
        if (memcmp(text.at + place, part.at, part.bytes) == 0) return (long)place;
    return -1;
}

__attribute__((unused))
static weir_text weir_slice(weir_text text, size_t from, size_t to) {
    return (weir_text){text.at + from, to - from};
}

__attribute__((unused))
static weir_text weir_join(const weir_text *parts, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += parts[i].bytes;
    char *joined = weir_memory(bytes), *end = joined;
    for (size_t i = 0; i < count; i++) {
        memcpy(end, parts[i].at, parts[i].bytes);
        end += parts[i].bytes;
    }
    return (weir_text){joined, bytes};
}
#define WEIR_JOIN(...) \
    weir_join((weir_text[]){__VA_ARGS__}, sizeof((weir_text[]){__VA_ARGS__}) / sizeof(weir_text))

__attribute__((unused))
static weir_text weir_number(int64_t number) {
    char *digits = weir_memory(24), *first = digits + 24;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do *--first = (char)('0' + rest % 10); while (rest /= 10);
    if (number < 0) *--first = '-';
    return (weir_text){first, (size_t)(digits + 24 - first)};
}

/* A copy that outlives the call; to be freed with free((void *)copy.at). */
__attribute__((unused))
static weir_text weir_kept(weir_text text) {
    char *copy = malloc(text.bytes ? text.bytes : 1);
    if (!copy) __builtin_trap();
    memcpy(copy, text.at, text.bytes);
    return (weir_text){copy, text.bytes};
}

/* ---- a little JSON, for configurations: it is valid, since it comes from the host ------------------------------------- */

static size_t weir_json_blank(weir_text json, size_t place) {
    while (place < json.bytes && strchr(" \t\r\n,:", json.at[place])) place++;
    return place;
}

/* Where the value ends that begins at a place. */
static size_t weir_json_end(weir_text json, size_t place) {
    size_t depth = 0;
    while (place < json.bytes) {
        char c = json.at[place++];
        if (c == '"') {
            while (place < json.bytes && json.at[place] != '"') place += json.at[place] == '\\' ? 2 : 1;
            place++;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else {
            while (place < json.bytes && !strchr(" \t\r\n,:]}", json.at[place])) place++;
        }
        if (depth == 0) return place;
        place = weir_json_blank(json, place);
    }
    return json.bytes;
}

/* The next value within an array or object, after which `*rest` goes on; false at its end. Begin with the array or object itself.
 * Of an object, keys and values come in turn. */
__attribute__((unused))
static bool weir_json_next(weir_text *rest, weir_text *value) {
    /* What goes on begins with a comma, a colon or a blank; what begins, with its bracket. */
    bool begins = rest->bytes > 0 && (rest->at[0] == '[' || rest->at[0] == '{');
    size_t place = weir_json_blank(*rest, begins ? 1 : 0);
    if (place >= rest->bytes || rest->at[place] == ']' || rest->at[place] == '}') return false;
    size_t end = weir_json_end(*rest, place);
    *value = weir_slice(*rest, place, end);
    *rest = weir_slice(*rest, end, rest->bytes);
    return true;
}

/* The text of a JSON string; escapes of single characters are undone. */
__attribute__((unused))
static weir_text weir_json_text(weir_text json) {
    char *text = weir_memory(json.bytes), *end = text;
    for (size_t place = 1; place + 1 < json.bytes; place++) {
        char c = json.at[place];
        if (c == '\\') {
            c = json.at[++place];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        *end++ = c;
    }
    return (weir_text){text, (size_t)(end - text)};
}

__attribute__((unused))
static bool weir_json_is_text(weir_text json) { return json.bytes >= 2 && json.at[0] == '"'; }

/* The member of an object; false where it has none of this name. */
__attribute__((unused))
static bool weir_json_member(weir_text object, weir_text name, weir_text *value) {
    weir_text key;
    while (weir_json_next(&object, &key)) {
        if (!weir_json_next(&object, value)) return false;
        if (weir_equal(weir_json_text(key), name)) return true;
    }
    return false;
}

/* ---- the plugin: what you write -------------------------------------------------------------------------------------- */

/* `config` is the plugin's `config` as JSON. Gives back what is wrong with it, or an empty text. */
static weir_text plugin_configure(weir_text config);

#define WEIR_EXPORT(name) __attribute__((export_name("weir:plugin/" name)))
/* The answer has been read: the memory of its call is free again. */
#define WEIR_AFTER(name, id) __attribute__((export_name("cabi_post_weir:plugin/" name))) \
    void weir_after_##id(const void *answer) { (void)answer; weir_forget(); }

typedef struct { bool failed; weir_text error; } weir_done;
WEIR_EXPORT("lifecycle@0.1.0#configure") const weir_done *weir_configure(const char *config, size_t bytes) {
    static weir_done done;
    done.error = plugin_configure((weir_text){config, bytes});
    done.failed = done.error.bytes > 0;
    return &done;
}
WEIR_AFTER("lifecycle@0.1.0#configure", configure)

/* Hooks give back true and set their first argument, or false and set the error. */
#define WEIR_RESULT(type) struct { bool failed; union { type ok; weir_error error; }; }
#define WEIR_ANSWER(type, call) \
    static WEIR_RESULT(type) result; \
    type ok; \
    weir_error error; \
    memset(&ok, 0, sizeof ok); \
    memset(&error, 0, sizeof error); \
    result.failed = !(call); \
    if (result.failed) result.error = error; else result.ok = ok; \
    return &result;

#ifdef WEIR_ROUTER
static bool plugin_pick(weir_choice *, weir_candidates, weir_error *);

WEIR_EXPORT("router@0.1.0#pick") const void *weir_pick(weir_candidate *at, size_t count) {
    WEIR_ANSWER(weir_choice, plugin_pick(&ok, (weir_candidates){at, count}, &error))
}
WEIR_AFTER("router@0.1.0#pick", pick)
#endif

#ifdef WEIR_AUTH
static bool plugin_authenticate(weir_decision *, weir_error *);

WEIR_EXPORT("auth@0.1.0#authenticate") const void *weir_authenticate(void) {
    WEIR_ANSWER(weir_decision, plugin_authenticate(&ok, &error))
}
WEIR_AFTER("auth@0.1.0#authenticate", authenticate)
#endif

#ifdef WEIR_OBSERVER
/* Gives back why the batch is dropped, or an empty text. */
static weir_text plugin_on_log(weir_outcomes);

WEIR_EXPORT("observer@0.1.0#on-log") const weir_done *weir_on_log(weir_outcome *at, size_t count) {
    static weir_done done;
    done.error = plugin_on_log((weir_outcomes){at, count});
    done.failed = done.error.bytes > 0;
    return &done;
}
WEIR_AFTER("observer@0.1.0#on-log", on_log)
#endif

#ifdef WEIR_GUARD
static weir_wanted plugin_wants(void);
static bool plugin_on_request(weir_verdict *, weir_error *);
/* `edits` is empty until it is set. */
static bool plugin_on_upstream_request(weir_edits *edits, const weir_candidate *target, weir_error *);
static bool plugin_on_response(weir_verdict *, weir_error *);
/* A stream of an answer: memory of your own, until it is closed. */
static void *plugin_stream_open(weir_response_head);
static bool plugin_stream_events(void *stream, weir_events_verdict *, weir_events, weir_error *);
static bool plugin_stream_end(void *stream, weir_events *, weir_error *);
static void plugin_stream_close(void *stream);

WEIR_EXPORT("response-filter@0.1.0#wants") const void *weir_wants(void) {
    static weir_wanted wanted;
    wanted = plugin_wants();
    return &wanted;
}
WEIR_EXPORT("request-filter@0.1.0#on-request") const void *weir_on_request(void) {
    WEIR_ANSWER(weir_verdict, plugin_on_request(&ok, &error))
}
WEIR_AFTER("request-filter@0.1.0#on-request", on_request)
WEIR_EXPORT("request-filter@0.1.0#on-upstream-request") const void *weir_on_upstream_request(const weir_candidate *target) {
    WEIR_ANSWER(weir_edits, plugin_on_upstream_request(&ok, target, &error))
}
WEIR_AFTER("request-filter@0.1.0#on-upstream-request", on_upstream_request)
WEIR_EXPORT("response-filter@0.1.0#on-response") const void *weir_on_response(void) {
    WEIR_ANSWER(weir_verdict, plugin_on_response(&ok, &error))
}
WEIR_AFTER("response-filter@0.1.0#on-response", on_response)

extern __attribute__((import_module("[export]weir:plugin/response-filter@0.1.0"), import_name("[resource-new]stream")))
uint32_t weir_new_stream(void *);
WEIR_EXPORT("response-filter@0.1.0#[constructor]stream") uint32_t weir_stream(
    uint32_t status, weir_header *headers, size_t many, const char *upstream, size_t upstream_bytes, const char *model, size_t model_bytes
) {
    weir_response_head head = {(uint16_t)status, {headers, many}, {upstream, upstream_bytes}, {model, model_bytes}};
    uint32_t stream = weir_new_stream(plugin_stream_open(head));
    weir_forget();
    return stream;
}
WEIR_EXPORT("response-filter@0.1.0#[method]stream.on-events") const void *weir_on_events(void *stream, weir_event *at, size_t count) {
    WEIR_ANSWER(weir_events_verdict, plugin_stream_events(stream, &ok, (weir_events){at, count}, &error))
}
WEIR_AFTER("response-filter@0.1.0#[method]stream.on-events", on_events)
WEIR_EXPORT("response-filter@0.1.0#[method]stream.on-end") const void *weir_on_end(void *stream) {
    WEIR_ANSWER(weir_events, plugin_stream_end(stream, &ok, &error))
}
WEIR_AFTER("response-filter@0.1.0#[method]stream.on-end", on_end)
WEIR_EXPORT("response-filter@0.1.0#[dtor]stream") void weir_close_stream(void *stream) { plugin_stream_close(stream); }
#endif

#ifdef WEIR_ADAPTER
static weir_adapter_info plugin_describe(void);
static bool plugin_encode(weir_wire_request *, const weir_candidate *target, weir_error *);
/* One answer of the provider: memory of your own, until it is closed. */
static void *plugin_decoder_open(uint16_t status, weir_headers);
static bool plugin_decoder_push(void *decoder, weir_events *, weir_text chunk, weir_error *);
static bool plugin_decoder_finish(void *decoder, weir_events *, weir_error *);
static void plugin_decoder_close(void *decoder);
static weir_failure plugin_classify(uint16_t status, weir_headers, weir_text body);

WEIR_EXPORT("adapter@0.1.0#describe") const void *weir_describe(void) {
    static weir_adapter_info info;
    info = plugin_describe();
    return &info;
}
WEIR_AFTER("adapter@0.1.0#describe", describe)
WEIR_EXPORT("adapter@0.1.0#encode") const void *weir_encode(const weir_candidate *target) {
    WEIR_ANSWER(weir_wire_request, plugin_encode(&ok, target, &error))
}
WEIR_AFTER("adapter@0.1.0#encode", encode)

extern __attribute__((import_module("[export]weir:plugin/adapter@0.1.0"), import_name("[resource-new]decoder")))
uint32_t weir_new_decoder(void *);
WEIR_EXPORT("adapter@0.1.0#[constructor]decoder") uint32_t weir_decoder(uint32_t status, weir_header *headers, size_t many) {
    uint32_t decoder = weir_new_decoder(plugin_decoder_open((uint16_t)status, (weir_headers){headers, many}));
    weir_forget();
    return decoder;
}
WEIR_EXPORT("adapter@0.1.0#[method]decoder.push") const void *weir_push(void *decoder, const char *at, size_t bytes) {
    WEIR_ANSWER(weir_events, plugin_decoder_push(decoder, &ok, (weir_text){at, bytes}, &error))
}
WEIR_AFTER("adapter@0.1.0#[method]decoder.push", push)
WEIR_EXPORT("adapter@0.1.0#[method]decoder.finish") const void *weir_finish_decoder(void *decoder) {
    WEIR_ANSWER(weir_events, plugin_decoder_finish(decoder, &ok, &error))
}
WEIR_AFTER("adapter@0.1.0#[method]decoder.finish", finish)
WEIR_EXPORT("adapter@0.1.0#[dtor]decoder") void weir_close_decoder(void *decoder) { plugin_decoder_close(decoder); }
WEIR_EXPORT("adapter@0.1.0#classify")
const void *weir_classify(uint32_t status, weir_header *headers, size_t many, const char *body, size_t bytes) {
    static weir_failure failure;
    failure = plugin_classify((uint16_t)status, (weir_headers){headers, many}, (weir_text){body, bytes});
    return &failure;
}
WEIR_AFTER("adapter@0.1.0#classify", classify)
#endif

#endif
