//! Messages of the nodes' service (`haima_smpc_node::proto`), as they come out of HTTP/2: what is
//! decoded is encoded to the same message, and no longer than it came.

use haima_smpc_node::proto;
use prost::Message;

use super::tools::{Cut, tagged};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    match tag % 12 {
        0 => same::<proto::OpenRequest>(bytes),
        1 => same::<proto::SubmitPart>(bytes),
        2 => same::<proto::ProgressRequest>(bytes),
        3 => same::<proto::RoundsReply>(bytes),
        4 => same::<proto::ListReply>(bytes),
        5 => same::<proto::EpochReply>(bytes),
        6 => same::<proto::ExchangeRequest>(bytes),
        7 => same::<proto::ExchangeReply>(bytes),
        8 => same::<proto::PrepsPart>(bytes),
        9 => same::<proto::SubSharePart>(bytes),
        10 => same::<proto::ReleasePart>(bytes),
        _ => same::<proto::StatusReply>(bytes),
    }
}

fn same<M: Message + Default + PartialEq>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let again = message.encode_to_vec();
    assert!(M::decode(&again[..]).is_ok_and(|it| it == message), "another message");
    // Where it is as long as it came, no field was unknown: what `wire::StrictDecoder` rests on.
    assert_eq!(message.encoded_len(), again.len());
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let signed = || Some(proto::Signed { body: vec![1; 8], signature: vec![2; 64] });
    let record =
        proto::NodeRecord { node: "node-1".into(), accepted: vec![3; 64], release: signed() };
    let exchange = proto::ExchangeReply {
        held: signed(),
        records: vec![record.clone()],
        failed: "a reason".into(),
        ..Default::default()
    };
    let released = proto::Released { accepted: signed(), release: signed(), records: vec![record] };
    let outcome = Some(proto::release_head::Outcome::Released(released));
    let head = proto::release_part::Part::Head(proto::ReleaseHead { outcome });
    let header = proto::SubmitHeader {
        header: vec![1; 100],
        signature: vec![2; 64],
        public_share: vec![3; 32],
        seal: vec![4; 32],
        first: 1,
    };
    let part = proto::submit_part::Part::Header(header);
    vec![
        tagged(
            0,
            &proto::OpenRequest { spec: vec![1; 40], signature: vec![2; 64] }.encode_to_vec(),
        ),
        tagged(1, &proto::SubmitPart { part: Some(part) }.encode_to_vec()),
        tagged(7, &exchange.encode_to_vec()),
        tagged(10, &proto::ReleasePart { part: Some(head) }.encode_to_vec()),
    ]
}
