// A router: candidates of one region first, and of those the one with the least to do.
// Configuration: {"prefer": "eu", "only": false}; with `only`, nothing outside of the region is used.

import log from "weir:plugin/log@0.1.0";

let prefer = "";
let only = false;

export const lifecycle = {
    configure(configJson) {
        const config = JSON.parse(configJson) ?? {};
        if (typeof config.prefer !== "string") throw "`prefer` must be the name of a region";
        prefer = config.prefer;
        only = config.only ?? false;
    },
};

export const router = {
    pick(candidates) {
        const ranked = [];
        candidates.forEach((candidate, index) => {
            const preferred = candidate.region === prefer;
            if (candidate.healthy && (preferred || !only)) {
                ranked.push({ index, score: (preferred ? 1000 : 0) - candidate.inFlight });
            }
        });
        log.write("debug", `${ranked.length} of ${candidates.length} will do`);
        if (ranked.length > 0) return { tag: "ranked", val: ranked };
        if (!only) return { tag: "use-default" };
        const message = `no server in \`${prefer}\` is healthy`;
        return { tag: "reject", val: { status: 503, code: "no_region", message, headers: [] } };
    },
};
