/* A guard: hides words, in requests, answers and streams, and refuses others.
 * Configuration: {"hide": ["teapot"], "with": "[hidden]", "refuse": ["forbidden"]}. */

#define WEIR_GUARD
#include "weir_plugin.h"

#define WORDS_MAX 64
typedef struct { weir_text at[WORDS_MAX]; size_t count; } words;
static words hide, refuse;
static weir_text replacement;

static bool read_words(weir_text config, weir_text name, words *words) {
    weir_text list, word;
    if (!weir_json_member(config, name, &list)) return true;
    if (list.at[0] != '[') return false;
    while (weir_json_next(&list, &word)) {
        if (!weir_json_is_text(word) || word.bytes == 2 || words->count == WORDS_MAX) return false;
        words->at[words->count++] = weir_kept(weir_json_text(word));
    }
    return true;
}

static weir_text plugin_configure(weir_text config) {
    weir_text value;
    if (!read_words(config, WEIR_STR("hide"), &hide)) return WEIR_STR("`hide` must be a list of words");
    if (!read_words(config, WEIR_STR("refuse"), &refuse)) return WEIR_STR("`refuse` must be a list of words");
    bool said = weir_json_member(config, WEIR_STR("with"), &value) && weir_json_is_text(value);
    replacement = said ? weir_kept(weir_json_text(value)) : WEIR_STR("[hidden]");
    return WEIR_STR("");
}

static weir_wanted plugin_wants(void) {
    return (weir_wanted){.requests = true, .answers = true, .streams = true, .whole_answers = false};
}

static bool refused(weir_text text, weir_rejection *refusal) {
    for (size_t i = 0; i < refuse.count; i++) {
        if (weir_find(text, refuse.at[i]) < 0) continue;
        weir_text message = WEIR_JOIN(WEIR_STR("the word `"), refuse.at[i], WEIR_STR("` is not allowed here"));
        *refusal = (weir_rejection){403, WEIR_STR("refused_word"), message, {0, 0}};
        return true;
    }
    return false;
}

static bool begins_with(weir_text text, weir_text beginning) {
    return text.bytes >= beginning.bytes && memcmp(text.at, beginning.at, beginning.bytes) == 0;
}

/* Whether a text may be the beginning of a word. */
static bool may_become(weir_text text, const words *words) {
    for (size_t i = 0; i < words->count; i++)
        if (words->at[i].bytes > text.bytes && begins_with(words->at[i], text)) return true;
    return false;
}

/* The text without the words, how many they were, and in `rest` an end of it that may be the beginning of a word: it waits for what
 * follows, unless the text is whole. */
static weir_text without_words(weir_text text, bool is_whole, size_t *count, weir_text *rest) {
    size_t most = replacement.bytes > 1 ? replacement.bytes : 1;
    char *out = weir_memory(text.bytes * most), *end = out;
    *rest = text;
    while (rest->bytes > 0 && (is_whole || !(may_become(*rest, &hide) || may_become(*rest, &refuse)))) {
        size_t i = 0;
        while (i < hide.count && !begins_with(*rest, hide.at[i])) i++;
        weir_text said = i < hide.count ? replacement : weir_slice(*rest, 0, 1);
        memcpy(end, said.at, said.bytes);
        end += said.bytes;
        *count += i < hide.count;
        *rest = weir_slice(*rest, i < hide.count ? hide.at[i].bytes : 1, rest->bytes);
    }
    return (weir_text){out, (size_t)(end - out)};
}

/* A metric, a line in the log, and a sum that all instances share (with the grant `kv`). */
static void tell(size_t hidden) {
    weir_text name = WEIR_STR("hidden_words"), key = WEIR_STR("hidden");
    weir_text said = WEIR_JOIN(WEIR_STR("hid "), weir_number((int64_t)hidden), WEIR_STR(" words"));
    weir_kv_sum sum;
    weir_count(name.at, name.bytes, 0, 0, (double)hidden);
    weir_log(WEIR_INFO, said.at, said.bytes);
    weir_kv_add(key.at, key.bytes, (int64_t)hidden, false, 0, &sum);
}

static void judge(weir_verdict *verdict, weir_segments segments) {
    weir_edit *edits = weir_memory((segments.count + 1) * sizeof(weir_edit));
    size_t changed = 0, hidden = 0;
    for (size_t i = 0; i < segments.count; i++) {
        size_t count = 0;
        weir_text rest;
        if (refused(segments.at[i].text, &verdict->reject)) {
            verdict->is = WEIR_REJECT;
            return;
        }
        weir_text text = without_words(segments.at[i].text, true, &count, &rest);
        if (count == 0) continue;
        hidden += count;
        edits[changed].is = WEIR_SET_SEGMENT;
        edits[changed].set_segment.index = segments.at[i].index;
        edits[changed++].set_segment.text = text;
    }
    if (hidden == 0) return; /* WEIR_PASS */
    tell(hidden);
    edits[changed].is = WEIR_SET_TAG;
    edits[changed++].set_tag = (weir_pair){WEIR_STR("hidden"), weir_number((int64_t)hidden)};
    verdict->is = WEIR_EDIT;
    verdict->edit = (weir_edits){edits, changed};
}

static void about(weir_verdict *verdict) {
    weir_text key = WEIR_STR("hidden");
    weir_kv_value value;
    weir_kv_get(key.at, key.bytes, &value);
    bool known = !value.failed && value.ok.is_some;
    weir_header *type = weir_memory(sizeof(weir_header));
    *type = (weir_header){WEIR_STR("content-type"), WEIR_STR("application/json")};
    verdict->is = WEIR_REPLY;
    verdict->reply = (weir_reply){200, {type, 1}, WEIR_JOIN(
        WEIR_STR("{\"plugin\":\"plugin-name\",\"hidden\":"), known ? value.ok.value : WEIR_STR("0"), WEIR_STR("}")
    )};
}

static bool plugin_on_request(weir_verdict *verdict, weir_error *error) {
    (void)error;
    weir_segments segments;
    weir_request_segments(&segments);
    if (segments.count > 0 && weir_equal(segments.at[segments.count - 1].text, WEIR_STR("/about"))) about(verdict);
    else judge(verdict, segments);
    return true;
}

static bool plugin_on_upstream_request(weir_edits *edits, const weir_candidate *target, weir_error *error) {
    (void)edits, (void)target, (void)error;
    return true;
}

static bool plugin_on_response(weir_verdict *verdict, weir_error *error) {
    (void)error;
    weir_segments segments;
    weir_response_segments(&segments);
    judge(verdict, segments);
    return true;
}

/* A stream of an answer. Words may be cut anywhere between its events: for each choice, text that may become a word is held. */
typedef struct held { struct held *next; uint32_t choice; weir_text text; } held;
typedef struct { held *first; } stream;

static void *plugin_stream_open(weir_response_head head) {
    (void)head;
    return calloc(1, sizeof(stream));
}

static held *held_of(stream *stream, uint32_t choice) {
    for (held *one = stream->first; one; one = one->next)
        if (one->choice == choice) return one;
    held *made = calloc(1, sizeof(held));
    if (!made) __builtin_trap();
    made->next = stream->first;
    made->choice = choice;
    made->text = weir_kept(WEIR_STR(""));
    return stream->first = made;
}

static void hold(held *held, weir_text text) {
    weir_text before = held->text;
    held->text = weir_kept(text);
    free((void *)before.at);
}

/* Says what is sure of what is held and what follows it, and holds what is not. */
static void say(weir_events *out, held *held, weir_text text, bool is_whole) {
    size_t count = 0;
    weir_text rest, said = without_words(text, is_whole, &count, &rest);
    if (count > 0) tell(count);
    if (said.bytes > 0) {
        out->at[out->count].is = WEIR_TEXT;
        out->at[out->count++].text = (weir_text_delta){held->choice, said};
    }
    hold(held, rest);
}

static void release(weir_events *out, held *held) { say(out, held, WEIR_JOIN(held->text), true); }

static bool plugin_stream_events(void *at, weir_events_verdict *verdict, weir_events events, weir_error *error) {
    (void)error;
    weir_events out = {weir_memory(2 * events.count * sizeof(weir_event)), 0};
    for (size_t i = 0; i < events.count; i++) {
        weir_event *event = &events.at[i];
        if (event->is != WEIR_TEXT) {
            if (event->is == WEIR_FINISH) release(&out, held_of(at, event->finish.choice));
            out.at[out.count++] = *event;
            continue;
        }
        held *held = held_of(at, event->text.choice);
        weir_text text = WEIR_JOIN(held->text, event->text.text);
        if (refused(text, &verdict->abort)) {
            verdict->is = WEIR_ABORT;
            return true;
        }
        say(&out, held, text, false);
    }
    verdict->is = out.count > 0 ? WEIR_REPLACE_EVENTS : WEIR_DROP_EVENTS;
    verdict->replace = out;
    return true;
}

static bool plugin_stream_end(void *at, weir_events *events, weir_error *error) {
    (void)error;
    size_t many = 0;
    for (held *one = ((stream *)at)->first; one; one = one->next) many++;
    *events = (weir_events){weir_memory(many * sizeof(weir_event)), 0};
    for (held *one = ((stream *)at)->first; one; one = one->next) release(events, one);
    return true;
}

static void plugin_stream_close(void *at) {
    for (held *one = ((stream *)at)->first, *next; one; one = next) {
        next = one->next;
        free((void *)one->text.at);
        free(one);
    }
    free(at);
}
