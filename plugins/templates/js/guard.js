// A guard: hides words, in requests, answers and streams, and refuses others.
// Configuration: {"hide": ["teapot"], "with": "[hidden]", "refuse": ["forbidden"]}.
//
// A function whose result can be an error returns what is well, and throws what is not.

import exchange from "weir:plugin/exchange@0.1.0";
import kv from "weir:plugin/kv@0.1.0";
import log from "weir:plugin/log@0.1.0";
import metrics from "weir:plugin/metrics@0.1.0";

let hide = [];
let replacement = "[hidden]";
let refuse = [];

export const lifecycle = {
    configure(configJson) {
        const config = JSON.parse(configJson) ?? {};
        hide = words(config, "hide");
        refuse = words(config, "refuse");
        replacement = config.with ?? "[hidden]";
    },
};

export const requestFilter = {
    onRequest() {
        const segments = exchange.requestSegments();
        if (segments.at(-1)?.text === "/about") return { tag: "reply", val: about() };
        return verdict(segments);
    },
    onUpstreamRequest(_target) {
        return [];
    },
};

// A stream of an answer. Words may be cut anywhere between its events.
class Stream {
    constructor(_head) {
        this.held = new Map(); // for each choice, text that may become a word
    }

    onEvents(events) {
        const out = [];
        for (const event of events) {
            if (event.tag === "text") {
                const { choice } = event.val;
                const text = (this.held.get(choice) ?? "") + event.val.text;
                const refusal = refusalOf(text);
                if (refusal) return { tag: "abort", val: refusal };
                this.held.set(choice, say(out, choice, text, false));
            } else {
                if (event.tag === "finish") this.release(out, event.val.choice);
                out.push(event);
            }
        }
        return out.length > 0 ? { tag: "replace", val: out } : { tag: "drop" };
    }

    onEnd() {
        const out = [];
        for (const choice of [...this.held.keys()]) this.release(out, choice);
        return out;
    }

    release(out, choice) {
        say(out, choice, this.held.get(choice) ?? "", true);
        this.held.delete(choice);
    }
}

export const responseFilter = {
    wants() {
        return { requests: true, answers: true, streams: true, wholeAnswers: false };
    },
    onResponse() {
        return verdict(exchange.responseSegments());
    },
    Stream,
};

function words(config, name) {
    const list = config[name] ?? [];
    if (Array.isArray(list) && list.every((word) => typeof word === "string" && word !== "")) return list;
    throw `\`${name}\` must be a list of words`;
}

function verdict(segments) {
    const edits = [];
    let hidden = 0;
    for (const segment of segments) {
        const refusal = refusalOf(segment.text);
        if (refusal) return { tag: "reject", val: refusal };
        const [text, count] = withoutWords(segment.text, true);
        if (count > 0) edits.push({ tag: "set-segment", val: [segment.index, text] });
        hidden += count;
    }
    if (hidden === 0) return { tag: "pass" };
    tell(hidden);
    edits.push({ tag: "set-tag", val: { key: "hidden", value: String(hidden) } });
    return { tag: "edit", val: edits };
}

function refusalOf(text) {
    const word = refuse.find((word) => text.includes(word));
    if (word === undefined) return null;
    return { status: 403, code: "refused_word", message: `the word \`${word}\` is not allowed here`, headers: [] };
}

// The text without the words, how many they were, and an end of it that may be the beginning of a word: it waits for what follows,
// unless the text is whole.
function withoutWords(text, isWhole) {
    let out = "";
    let count = 0;
    let place = 0;
    while (place < text.length) {
        const rest = text.length - place;
        const begins = (word) => word.length > rest && text.endsWith(word.slice(0, rest));
        if (!isWhole && (hide.some(begins) || refuse.some(begins))) break;
        const word = hide.find((word) => text.startsWith(word, place));
        out += word === undefined ? text[place] : replacement;
        count += word === undefined ? 0 : 1;
        place += word?.length ?? 1;
    }
    return [out, count, text.slice(place)];
}

// Says what is sure of a text, and gives back what is not.
function say(out, choice, given, isWhole) {
    const [text, count, held] = withoutWords(given, isWhole);
    if (count > 0) tell(count);
    if (text !== "") out.push({ tag: "text", val: { choice, text } });
    return held;
}

// A metric, a line in the log, and a sum that all instances share (with the grant `kv`).
function tell(hidden) {
    metrics.count("hidden_words", [], hidden);
    log.write("info", `hid ${hidden} words`);
    try {
        kv.add("hidden", hidden, null);
    } catch {
        // not granted: nothing is summed up
    }
}

function about() {
    let hidden = 0;
    try {
        const sum = kv.get("hidden");
        if (sum) hidden = Number(String.fromCharCode(...sum));
    } catch {
        // not granted
    }
    return {
        status: 200,
        headers: [{ name: "content-type", value: bytes("application/json") }],
        body: bytes(`{"plugin":"plugin-name","hidden":${hidden}}`),
    };
}

// QuickJS has no TextEncoder.
function bytes(text) {
    const escaped = encodeURIComponent(text).replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return Uint8Array.from(escaped, (character) => character.charCodeAt(0));
}
