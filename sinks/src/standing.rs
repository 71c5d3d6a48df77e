//! Where loading goes on for a partition that was just assigned, judged from what Kafka says about it.

use crate::error::Error;
use crate::range::Committed;
use kafka::sink::Standing;

/// # Errors
/// When Kafka does not hold the place where the group stands: going on elsewhere would lose or double records.
pub(crate) fn go_on(standing: &Standing) -> Result<Committed, Error> {
    // The very first start, the only one that may begin at the beginning.
    let Some((next, metadata)) = &standing.committed else {
        return Ok(Committed { next: standing.first, pending: None });
    };
    let place = || format!("{}/{}", standing.place.topic, standing.place.partition);
    if *next < standing.first || *next > standing.end {
        return Err(Error::PositionLost {
            place: place(),
            wanted: next.0,
            first: standing.first.0,
            end: standing.end.0,
        });
    }
    Committed::read(*next, metadata).map_err(|_| Error::ForeignCommit { place: place(), metadata: metadata.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::Range;
    use kafka::group::Place;
    use schemas::offset::{NextOffset, Offset};

    #[test]
    fn loading_goes_on_where_the_group_stands_or_not_at_all() {
        let pending = Some(Range { lo: Offset(20), hi: Offset(25) });
        for (committed, expected) in [
            (None, Ok((10, None))),
            (Some((20, "")), Ok((20, None))),
            (Some((30, "")), Ok((30, None))),
            (Some((20, "v1;20;25")), Ok((20, pending))),
            (Some((9, "")), Err("clicks/0: the group's next offset is 9, but Kafka holds 10 to 30")),
            (Some((31, "")), Err("clicks/0: the group's next offset is 31, but Kafka holds 10 to 30")),
            (Some((20, "mine")), Err("clicks/0: the group's commit holds \"mine\", which no sink wrote")),
        ] {
            let standing = Standing {
                place: Place { topic: "clicks".into(), partition: 0 },
                topic_id: "id".into(),
                committed: committed.map(|(next, metadata): (i64, &str)| (NextOffset(next), metadata.to_owned())),
                first: NextOffset(10),
                end: NextOffset(30),
            };
            match (go_on(&standing), expected) {
                (Ok(found), Ok((next, pending))) => {
                    assert_eq!(found, Committed { next: NextOffset(next), pending });
                }
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
    }
}
