//! Vectors of the recall between stations.

use super::*;
use crate::id::Party;
use crate::recall::Recall;

fn recall() -> Recall {
    let header = samples::header();
    Recall {
        recipients: header
            .context()
            .recipients
            .iter()
            .take(1)
            .cloned()
            .collect(),
        header,
        header_signature: b"filler".to_vec(),
    }
}

#[test]
fn recall_vectors_hold() {
    let mut file = File::new(
        "recall.json",
        Form::Hex,
        "Body of a control envelope: CBOR [1, 1, header, header signature, [recipient, ...]]; \
         accepted when it decodes; the signature is filler",
    );
    let bytes = recall().encode();
    let facts = json!({
        "envelope": recall().header.context().id.to_string(),
        "recipients": recall().recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    file.accept("one recipient of two", &bytes, facts);
    let changed = |change: fn(&mut Recall)| {
        let mut recall = recall();
        change(&mut recall);
        recall.encode()
    };
    let stranger = || "Z99".parse::<Party>().unwrap();
    file.accept(
        "all recipients",
        &changed(|r| r.recipients = r.header.context().recipients.clone()),
        Value::Null,
    );
    file.refuse("nobody", &changed(|r| r.recipients.clear()));
    file.refuse(
        "somebody whom the header does not name",
        &changed(|r| r.recipients.push("Z99".parse().unwrap())),
    );
    assert!(!recall().recipients.contains(&stranger()));
    file.refuse(
        "somebody twice",
        &changed(|r| r.recipients.push(r.recipients[0].clone())),
    );
    file.refuse("version 2", &replaced(&bytes, &[0x85, 1, 1], &[0x85, 2, 1]));
    file.refuse("message 2", &replaced(&bytes, &[0x85, 1, 1], &[0x85, 1, 2]));
    file.refuse(
        "four members",
        &replaced(&bytes, &[0x85, 1, 1], &[0x84, 1, 1]),
    );
    file.refuse("cut", cut(&bytes));
    file.refuse("byte after", &longer(&bytes));
    file.settle(Recall::decode);
}
