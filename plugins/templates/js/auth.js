// An authenticator: knows callers by a token in the header `x-demo-token`.
// Configuration: {"tokens": {"open-sesame": "ali"}}.

import exchange from "weir:plugin/exchange@0.1.0";

let tokens = {};

export const lifecycle = {
    configure(configJson) {
        const config = JSON.parse(configJson);
        if (typeof config?.tokens !== "object") throw "`tokens` must say who has which token";
        tokens = config.tokens;
    },
};

export const auth = {
    authenticate() {
        const header = exchange.requestHeader("x-demo-token");
        if (!header) return { tag: "abstain" };
        const token = String.fromCharCode(...header);
        if (!Object.hasOwn(tokens, token)) {
            const message = "nobody has this token";
            return { tag: "deny", val: { status: 401, code: "unknown_token", message, headers: [] } };
        }
        const nothing = { tenant: null, project: null, user: null, scopes: [], models: [], attributes: [] };
        return { tag: "allow", val: { id: tokens[token], ...nothing } };
    },
};
