//! The contract's records, enums and variants, member by member **in the contract's order**.

use super::abi::{Abi, Answer, align_to, larger, payload_at};
use crate::hooks::Wants;
use crate::host::{HttpAnswer, HttpError};
use crate::types::{
    AdapterInfo, Api, Candidate, Choice, Decision, Edit, EventsVerdict, Failure, Finish, Header,
    Outcome, PluginError, Principal, Ranked, RawEvent, Rejection, Reply, RequestMeta, ResponseHead,
    Role, Segment, StreamEvent, TextDelta, ToolDelta, Usage, Verdict, WireRequest,
};

type Text = String;
type Bytes = Vec<u8>;
type Pairs = Vec<(String, String)>;

/// Where the next member stands; moves on over it.
const fn member<T: Abi>(end: &mut usize) -> usize {
    let place = align_to(*end, T::ALIGN);
    *end = place + T::SIZE;
    place
}

macro_rules! record {
    ($record:ident { $($name:ident: $type:ty),* }) => {
        impl Abi for $record {
            const ALIGN: usize = {
                let mut align = 1;
                $(align = larger(align, <$type as Abi>::ALIGN);)*
                align
            };
            const SIZE: usize = {
                let mut end = 0;
                $(member::<$type>(&mut end);)*
                align_to(end, Self::ALIGN)
            };
            unsafe fn read(at: *const u8) -> Self {
                let mut end = 0;
                $(let $name = unsafe { <$type as Abi>::read(at.add(member::<$type>(&mut end))) };)*
                $record { $($name),* }
            }
            unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
                let mut end = 0;
                let $record { $($name),* } = self;
                $(unsafe { $name.write(at.add(member::<$type>(&mut end)), answer) };)*
            }
        }
    };
}

macro_rules! enumeration {
    ($enum:ident { $($case:ident),* }) => {
        impl Abi for $enum {
            const ALIGN: usize = 1;
            const SIZE: usize = 1;
            unsafe fn read(at: *const u8) -> Self {
                [$($enum::$case),*][usize::from(unsafe { at.read() })]
            }
            unsafe fn write(self, at: *mut u8, _: &mut Answer) {
                let cases = [$($enum::$case),*];
                let case = cases.iter().position(|case| *case == self).expect("all are listed");
                unsafe { at.write(case as u8) };
            }
        }
    };
}

/// Cases are numbered in their order. A payload of several members stands as a tuple.
macro_rules! variant {
    ($variant:ident { $($number:literal $case:ident $(($($name:ident: $type:ty),+))?),* }) => {
        impl Abi for $variant {
            const ALIGN: usize = {
                let mut align = 1;
                $($($(align = larger(align, <$type as Abi>::ALIGN);)+)?)*
                align
            };
            const SIZE: usize = {
                let mut size = 0;
                $($(
                    let mut end = 0;
                    $(member::<$type>(&mut end);)+
                    size = larger(size, end);
                )?)*
                align_to(payload_at(Self::ALIGN) + size, Self::ALIGN)
            };
            unsafe fn read(at: *const u8) -> Self {
                let payload = unsafe { at.add(payload_at(Self::ALIGN)) };
                match unsafe { at.read() } {
                    $($number => {
                        $(
                            let mut end = 0;
                            $(let $name = unsafe {
                                <$type as Abi>::read(payload.add(member::<$type>(&mut end)))
                            };)+
                        )?
                        $variant::$case $(($($name),+))?
                    })*
                    other => unreachable!("{} has no case {other}", stringify!($variant)),
                }
            }
            unsafe fn write(self, at: *mut u8, answer: &mut Answer) {
                let payload = unsafe { at.add(payload_at(Self::ALIGN)) };
                match self {
                    $($variant::$case $(($($name),+))? => {
                        unsafe { at.write($number) };
                        $(
                            let mut end = 0;
                            $(unsafe {
                                $name.write(payload.add(member::<$type>(&mut end)), answer);
                            })+
                        )?
                    })*
                }
                let _ = (payload, answer);
            }
        }
    };
}

enumeration!(Api {
    ChatCompletions,
    Responses,
    Messages,
    GenerateContent,
    Completions,
    Embeddings,
    Ollama,
    Rerank,
    Moderations,
    Images,
    AudioSpeech,
    AudioTranscriptions,
    Other
});
enumeration!(Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Other
});

record!(Header {
    name: Text,
    value: Bytes
});
record!(Principal {
    id: Text, tenant: Option<Text>, project: Option<Text>, user: Option<Text>, scopes: Vec<Text>,
    models: Vec<Text>, attributes: Pairs
});
record!(RequestMeta {
    id: Text, api: Api, operation: Text, model: Text, stream: bool, method: Text, path: Text,
    client_ip: Text, received_unix_ms: u64, deadline_ms: u32, attempt: u32, body_bytes: u64,
    message_count: u32, prompt_tokens_estimate: u32, max_output_tokens: Option<u32>,
    has_tools: bool, has_images: bool, session: Option<Text>, traceparent: Option<Text>,
    principal: Option<Principal>, tags: Pairs
});
record!(Segment {
    index: u32,
    role: Role,
    pointer: Text,
    text: Text
});
record!(Usage {
    input: u64,
    output: u64,
    cached_input: u64,
    cache_write: u64,
    reasoning: u64
});
record!(Rejection { status: u16, code: Text, message: Text, headers: Vec<Header> });
record!(Reply { status: u16, headers: Vec<Header>, body: Bytes });
record!(TextDelta {
    choice: u32,
    text: Text
});
record!(ToolDelta {
    choice: u32, index: u32, id: Option<Text>, name: Option<Text>, arguments: Text
});
record!(Finish {
    choice: u32,
    reason: Text
});
record!(RawEvent { event: Option<Text>, data: Text });
record!(ResponseHead { status: u16, headers: Vec<Header>, upstream: Text, model: Text });
record!(Candidate {
    id: Text, provider: Text, model: Text, region: Option<Text>, weight: u32, healthy: bool,
    in_flight: u32, queue_depth: Option<u32>, ttft_ms_ewma: f32, tokens_per_second_ewma: f32,
    error_rate: f32, kv_cache_usage: Option<f32>, prefix_match: Option<f32>,
    input_usd_per_mtok: f32, output_usd_per_mtok: f32, score: f32, labels: Pairs
});
record!(Ranked {
    index: u32,
    score: f32
});
record!(Outcome {
    meta: RequestMeta, upstream: Text, upstream_model: Text, status: u16, error_code: Option<Text>,
    usage: Usage, cost_nanos: i64, ttft_ms: Option<f32>, total_ms: f32, cache_hit: bool,
    request_json: Option<Bytes>, response_json: Option<Bytes>
});
record!(Wants {
    requests: bool,
    answers: bool,
    streams: bool,
    whole_answers: bool
});
record!(AdapterInfo { name: Text, accepts: Vec<Api> });
record!(WireRequest { method: Text, path: Text, headers: Vec<Header>, body: Bytes });
record!(Failure { retryable: bool, code: Text, message: Text, retry_after_ms: Option<u64> });
record!(HttpAnswer { status: u16, headers: Vec<Header>, body: Bytes });

variant!(Edit {
    0 SetHeader(header: Header),
    1 RemoveHeader(name: Text),
    2 SetSegment(index: u32, text: Text),
    3 SetJson(pointer: Text, json: Text),
    4 RemoveJson(pointer: Text),
    5 ReplaceBody(body: Bytes),
    6 SetModel(model: Text),
    7 SetTag(key: Text, value: Text)
});
variant!(Verdict {
    0 Pass, 1 Edit(edits: Vec<Edit>), 2 Reject(rejection: Rejection), 3 Reply(reply: Reply)
});
variant!(StreamEvent {
    0 Text(delta: TextDelta),
    1 Reasoning(delta: TextDelta),
    2 Refusal(delta: TextDelta),
    3 ToolCall(delta: ToolDelta),
    4 Usage(usage: Usage),
    5 Finish(finish: Finish),
    6 Raw(event: RawEvent)
});
variant!(EventsVerdict {
    0 Pass, 1 Drop, 2 Replace(events: Vec<StreamEvent>), 3 Abort(rejection: Rejection)
});
variant!(Choice { 0 UseDefault, 1 Ranked(ranked: Vec<Ranked>), 2 Reject(rejection: Rejection) });
variant!(Decision { 0 Allow(principal: Principal), 1 Deny(rejection: Rejection), 2 Abstain });
variant!(PluginError { 0 Retryable(message: Text), 1 Permanent(message: Text) });
variant!(HttpError { 0 Denied, 1 Timeout, 2 Connect(message: Text), 3 TooLarge, 4 Other(message: Text) });
