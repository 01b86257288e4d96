/* An authenticator: knows callers by a token in the header `x-demo-token`.
 * Configuration: {"tokens": {"open-sesame": "ali"}}. */

#define WEIR_AUTH
#include "weir_plugin.h"

static weir_text tokens;

static weir_text plugin_configure(weir_text config) {
    weir_text value;
    if (!weir_json_member(config, WEIR_STR("tokens"), &value) || value.at[0] != '{')
        return WEIR_STR("`tokens` must say who has which token");
    tokens = weir_kept(value);
    return WEIR_STR("");
}

static bool plugin_authenticate(weir_decision *decision, weir_error *error) {
    (void)error;
    weir_text header = WEIR_STR("x-demo-token"), name;
    weir_optional_text token;
    weir_request_header(header.at, header.bytes, &token);
    if (!token.is_some) {
        decision->is = WEIR_ABSTAIN;
    } else if (weir_json_member(tokens, token.value, &name)) {
        decision->is = WEIR_ALLOW;
        decision->allow = (weir_principal){.id = weir_json_text(name)};
    } else {
        decision->is = WEIR_DENY;
        decision->deny = (weir_rejection){401, WEIR_STR("unknown_token"), WEIR_STR("nobody has this token"), {0, 0}};
    }
    return true;
}
