// An adapter, for servers that take a prompt as plain text and answer with plain text, piece by piece.
// Configuration: {"path": "/generate"}. plugins/cohere in weir's repository is one for a real provider.

import exchange from "weir:plugin/exchange@0.1.0";

let path = "/generate";

export const lifecycle = {
    configure(configJson) {
        path = JSON.parse(configJson)?.path ?? "/generate";
    },
};

// Text as it comes; a character may be cut between two pieces.
class Decoder {
    constructor(_status, _headers) {
        this.held = [];
    }

    push(chunk) {
        const bytes = [...this.held, ...chunk];
        const whole = wholeCharacters(bytes);
        this.held = bytes.slice(whole);
        if (whole === 0) return [];
        return [{ tag: "text", val: { choice: 0, text: text(bytes.slice(0, whole)) } }];
    }

    finish() {
        if (this.held.length > 0) throw permanent("the answer ends within a character");
        return [{ tag: "finish", val: { choice: 0, reason: "stop" } }];
    }
}

export const adapter = {
    describe() {
        return { name: "plugin-name", accepts: ["chat-completions"] };
    },

    // The last word of the user is the prompt.
    encode(target) {
        const prompt = exchange.requestSegments().findLast((segment) => segment.role === "user");
        if (!prompt) throw permanent("there is no message of the user to make a prompt of");
        const headers = [
            { name: "content-type", value: bytes("text/plain") },
            { name: "x-model", value: bytes(target.model) },
        ];
        return { method: "POST", path, headers, body: bytes(prompt.text) };
    },

    classify(status, _headers, body) {
        const retryable = status === 429 || status >= 500;
        return { retryable, code: "upstream_refused", message: String.fromCharCode(...body), retryAfterMs: null };
    },

    Decoder,
};

function permanent(message) {
    return { tag: "permanent", val: message };
}

// How many bytes there are before a character that is cut off.
function wholeCharacters(bytes) {
    for (let back = 1; back <= Math.min(4, bytes.length); back++) {
        const byte = bytes[bytes.length - back];
        if ((byte & 0xc0) === 0x80) continue;
        const wants = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        return wants > back ? bytes.length - back : bytes.length;
    }
    return bytes.length;
}

// QuickJS has neither TextDecoder nor TextEncoder.
function text(bytes) {
    try {
        return decodeURIComponent(bytes.map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""));
    } catch {
        throw permanent("the answer is no UTF-8");
    }
}

function bytes(text) {
    const escaped = encodeURIComponent(text).replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return Uint8Array.from(escaped, (character) => character.charCodeAt(0));
}
