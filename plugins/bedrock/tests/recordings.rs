//! The adapter against its recordings.

use std::path::Path;

use weir_bedrock::Bedrock;

#[test]
fn recordings_are_made_and_read_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let count = weir_replay::check_folder::<Bedrock>(&folder);
    assert!(count >= 20, "there are {count} recordings");
}
