/* A router: candidates of one region first, and of those the one with the least to do.
 * Configuration: {"prefer": "eu", "only": false}; with `only`, nothing outside of the region is used. */

#define WEIR_ROUTER
#include "weir_plugin.h"

static weir_text prefer;
static bool only;

static weir_text plugin_configure(weir_text config) {
    weir_text value;
    if (!weir_json_member(config, WEIR_STR("prefer"), &value) || !weir_json_is_text(value))
        return WEIR_STR("`prefer` must be the name of a region");
    prefer = weir_kept(weir_json_text(value));
    only = weir_json_member(config, WEIR_STR("only"), &value) && weir_equal(value, WEIR_STR("true"));
    return WEIR_STR("");
}

static bool plugin_pick(weir_choice *choice, weir_candidates candidates, weir_error *error) {
    (void)error;
    weir_ranking ranking = {weir_memory(candidates.count * sizeof(weir_ranked)), 0};
    for (uint32_t index = 0; index < candidates.count; index++) {
        const weir_candidate *candidate = &candidates.at[index];
        bool preferred = candidate->region.is_some && weir_equal(candidate->region.value, prefer);
        if (candidate->healthy && (preferred || !only)) {
            float score = (preferred ? 1000.0f : 0.0f) - (float)candidate->in_flight;
            ranking.at[ranking.count++] = (weir_ranked){index, score};
        }
    }
    weir_text said = WEIR_JOIN(
        weir_number((int64_t)ranking.count), WEIR_STR(" of "), weir_number((int64_t)candidates.count), WEIR_STR(" will do")
    );
    weir_log(WEIR_DEBUG, said.at, said.bytes);
    if (ranking.count > 0) {
        choice->is = WEIR_RANKED;
        choice->ranked = ranking;
    } else if (only) {
        weir_text message = WEIR_JOIN(WEIR_STR("no server in `"), prefer, WEIR_STR("` is healthy"));
        choice->is = WEIR_REJECT_CHOICE;
        choice->reject = (weir_rejection){503, WEIR_STR("no_region"), message, {0, 0}};
    } else {
        choice->is = WEIR_USE_DEFAULT;
    }
    return true;
}
