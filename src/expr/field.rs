//! What an expression may name: the members of `req`, `caller`, `target` and `resp`, and `now`. One table, which the check at
//! load, the evaluation and docs/expressions.md follow. It must not know where the values come from.

use super::types::Type;

/// When an expression is evaluated, and so what it may name. Each scope has what those before it have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Once it is known who calls: `caller` and `now`.
    Caller,
    /// Once a request has been read: `req` too.
    Request,
    /// For a candidate that it may be sent to: `target` too.
    Target,
    /// When the exchange is over: `resp` too; `target` is what answered.
    Outcome,
}

/// Something that an expression can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Now,
    Caller(CallerField),
    Request(RequestField),
    Target(TargetField),
    Outcome(OutcomeField),
}

impl Field {
    /// Every one, in the order of the document.
    pub fn all() -> impl Iterator<Item = Field> {
        let caller = CallerField::ALL.iter().copied().map(Field::Caller);
        let request = RequestField::ALL.iter().copied().map(Field::Request);
        let target = TargetField::ALL.iter().copied().map(Field::Target);
        let outcome = OutcomeField::ALL.iter().copied().map(Field::Outcome);
        let now = std::iter::once(Field::Now);
        request
            .chain(caller)
            .chain(now)
            .chain(target)
            .chain(outcome)
    }

    /// As it is written: `req.model`.
    pub fn path(self) -> String {
        match self.member() {
            "" => self.root().to_owned(),
            member => format!("{}.{member}", self.root()),
        }
    }

    /// What stands before the dot.
    pub fn root(self) -> &'static str {
        match self {
            Field::Now => "now",
            Field::Caller(_) => "caller",
            Field::Request(_) => "req",
            Field::Target(_) => "target",
            Field::Outcome(_) => "resp",
        }
    }

    /// What stands behind the dot; empty for `now`.
    pub fn member(self) -> &'static str {
        match self {
            Field::Now => "",
            Field::Caller(field) => field.name(),
            Field::Request(field) => field.name(),
            Field::Target(field) => field.name(),
            Field::Outcome(field) => field.name(),
        }
    }

    /// The first scope that has it.
    pub fn scope(self) -> Scope {
        match self {
            Field::Now | Field::Caller(_) => Scope::Caller,
            Field::Request(_) => Scope::Request,
            Field::Target(_) => Scope::Target,
            Field::Outcome(_) => Scope::Outcome,
        }
    }

    /// One line for people.
    pub fn about(self) -> &'static str {
        match self {
            Field::Now => {
                "the time; `now.getHours(\"Europe/Berlin\")`, `now.getDayOfWeek()` (0 is Sunday); UTC where no zone is named"
            }
            Field::Caller(field) => field.about(),
            Field::Request(field) => field.about(),
            Field::Target(field) => field.about(),
            Field::Outcome(field) => field.about(),
        }
    }

    pub(super) fn value_type(self) -> Type {
        match self {
            Field::Now => Type::Time,
            Field::Caller(field) => field.value_type(),
            Field::Request(field) => field.value_type(),
            Field::Target(field) => field.value_type(),
            Field::Outcome(field) => field.value_type(),
        }
    }

    /// Its type as the document says it.
    pub fn type_name(self) -> String {
        self.value_type().name()
    }

    pub(super) fn find(root: &str, member: &str) -> Option<Field> {
        Field::all().find(|field| field.root() == root && field.member() == member)
    }
}

/// The members of one variable: an enum, and for each its name, its type and a line for people.
macro_rules! members {
    ($(#[$about:meta])* $name:ident { $($variant:ident $member:literal : $type:expr, $line:literal;)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $line] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $member),+ }
            }

            fn about(self) -> &'static str {
                match self { $($name::$variant => $line),+ }
            }

            fn value_type(self) -> Type {
                match self { $($name::$variant => $type),+ }
            }
        }
    };
}

members! {
    /// Members of `req`: the client's request.
    RequestField {
        Id "id": Type::Text, "the exchange's id, as the log has it";
        Operation "operation": Type::Text, "`chat`, `embeddings`, `rerank`, …, as metrics and logs say it";
        Dialect "dialect": Type::Text, "the wire protocol that the client speaks: `chat`, `responses`, `completions`, `anthropic`, `ollama`, `gemini`";
        Model "model": Type::Text, "the model as the client names it";
        Stream "stream": Type::Flag, "whether a stream is asked for";
        Method "method": Type::Text, "of HTTP";
        Path "path": Type::Text, "without the query";
        Headers "headers": Type::texts(), "by name, in any case: `req.headers[\"x-team\"]`; never those that hold credentials";
        Query "query": Type::texts(), "parameters of the query, the first of each name";
        ClientIp "client_ip": Type::Text, "the client's address, behind trusted proxies";
        PromptTokens "prompt_tokens": Type::Whole, "an estimate of the tokens of the input";
        MaxOutputTokens "max_output_tokens": Type::Whole, "how many tokens the client allows; 0, and not there, where it does not say";
        BodyBytes "body_bytes": Type::Whole, "the length of the body, decoded";
        MessageCount "message_count": Type::Whole, "messages of a conversation";
        HasTools "has_tools": Type::Flag, "whether tools are offered";
        HasImages "has_images": Type::Flag, "whether there is an image in it";
        Session "session": Type::Text, "what keeps the requests of one conversation together, if anything does";
        Tags "tags": Type::texts(), "what the configuration and earlier plugins have tagged it with";
        Body "body": Type::Any, "the body as JSON: `req.body.temperature > 1.0`. It is parsed only for expressions that name it";
    }
}

members! {
    /// Members of `caller`: who asks.
    CallerField {
        Known "known": Type::Flag, "whether the caller has shown a key or token that is valid";
        Tenant "tenant": Type::Text, "the tenant's id";
        Project "project": Type::Text, "the project's id";
        User "user": Type::Text, "the user's id";
        Key "key": Type::Text, "the label of the key, never the key";
        Scopes "scopes": Type::List(Box::new(Type::Text)), "what the key may do besides asking models";
        Priority "priority": Type::Text, "the class of priority";
        Tags "tags": Type::texts(), "of key, user, project and tenant together";
        Claims "claims": Type::Any, "of the token, where it was one with claims: `\"staff\" in caller.claims.groups`";
    }
}

members! {
    /// Members of `target`: where a request may be sent, or what has answered it.
    TargetField {
        Upstream "upstream": Type::Text, "the upstream's name";
        Endpoint "endpoint": Type::Text, "the address of one of its servers";
        Kind "kind": Type::Text, "the upstream's kind: `vllm`, `openai`, …";
        Model "model": Type::Text, "the upstream's own name for the model";
        Region "region": Type::Text, "where it is, if the upstream says";
        Tier "tier": Type::Whole, "of the route, from 0";
        Healthy "healthy": Type::Flag, "whether it is held to be healthy";
        InFlight "in_flight": Type::Whole, "exchanges that it works on now";
        InputPrice "input_price": Type::Decimal, "of a million tokens of input, in the currency of `prices`";
        OutputPrice "output_price": Type::Decimal, "of a million tokens of output";
        Labels "labels": Type::texts(), "of the upstream and the target";
    }
}

members! {
    /// Members of `resp`: how the exchange has ended.
    OutcomeField {
        Status "status": Type::Whole, "of HTTP, as the client got it";
        Fault "fault": Type::Text, "why it failed, as metrics say it; not there where it did not";
        Headers "headers": Type::texts(), "by name, in any case";
        InputTokens "input_tokens": Type::Whole, "all of the input, cached ones included";
        OutputTokens "output_tokens": Type::Whole, "all of the output, reasoning included";
        CachedTokens "cached_tokens": Type::Whole, "of the input, what came from a cache";
        ReasoningTokens "reasoning_tokens": Type::Whole, "of the output, what was thought and not said";
        Cost "cost": Type::Decimal, "in the currency of `prices`";
        Attempts "attempts": Type::Whole, "how often it was sent";
        FirstByte "first_byte": Type::Span, "from the request to the first byte of the answer; not there where none came";
        Duration "duration": Type::Span, "from the request to its end: `resp.duration > duration(\"30s\")`";
    }
}
