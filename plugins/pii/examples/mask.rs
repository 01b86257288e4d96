//! Masks its arguments, one a line, with the configuration as it is by default: to see what becomes of a text.

use weir_plugin::testing::{TestHost, edited_segments};
use weir_plugin::{Guard, Host, Role};
use weir_plugin_pii::Pii;

fn main() {
    for text in std::env::args().skip(1) {
        let mut guard = Pii::configure("null").expect("the default is good");
        let host = TestHost::new().with_request_segments(&[(Role::User, &text)]);
        let verdict = guard.on_request(&host).expect("it works");
        println!("{:?}", edited_segments(&host.request_segments(), &verdict));
    }
}
