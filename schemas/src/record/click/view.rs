//! A click read in place: what attribution keeps of it. Every byte is checked as `apache_avro` and the names' own types
//! check it, so that both readers refuse the same records; a property test holds them together.

use crate::codec::in_place::Body;
use crate::codec::{self, DecodeError};
use crate::id::{ClickId, JourneyId};
use crate::name::{AdvertiserId, CampaignId, LinkCode, PublisherId, TenantId};
use crate::offset::Offset;
use crate::record::click::Click;
use crate::time::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClickView<'a> {
    pub click_id: ClickId,
    pub journey_id: JourneyId,
    pub tenant: &'a str,
    pub advertiser: &'a str,
    pub campaign: &'a str,
    pub publisher: &'a str,
    pub link: &'a str,
    pub occurred_at: Micros,
    pub catalog_offset: Offset,
    pub marks: &'a str,
}

impl<'a> ClickView<'a> {
    /// Reads a framed click of the current schema; `None` for one of an earlier version, which `codec::decode` reads.
    pub fn read(framed: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let Some(body) = codec::current_body::<Click>(framed)? else { return Ok(None) };
        let mut body = Body::new("Click", body);
        let mut view = ClickView {
            click_id: ClickId(body.fixed()?),
            journey_id: JourneyId(body.fixed()?),
            tenant: body.name(TenantId::is_valid)?,
            advertiser: body.name(AdvertiserId::is_valid)?,
            campaign: body.name(CampaignId::is_valid)?,
            publisher: body.name(PublisherId::is_valid)?,
            link: body.name(LinkCode::is_valid)?,
            occurred_at: Micros(body.long()?),
            catalog_offset: Offset(body.long()?),
            marks: "",
        };
        let _returning = body.boolean()?;
        let _referrer = body.option(Body::string)?;
        let _user_agent = body.option(Body::string)?;
        let _ip_hash = body.option(Body::fixed::<16>)?;
        body.blocks(|params| {
            params.string()?;
            params.string().map(|_| ())
        })?;
        view.marks = body.string()?;
        body.end()?;
        Ok(Some(view))
    }
}

impl Click {
    /// As `ClickView::read` reads it.
    pub fn view(&self) -> ClickView<'_> {
        ClickView {
            click_id: self.click_id,
            journey_id: self.journey_id,
            tenant: self.tenant.as_str(),
            advertiser: self.advertiser.as_str(),
            campaign: self.campaign.as_str(),
            publisher: self.publisher.as_str(),
            link: self.link.as_str(),
            occurred_at: self.occurred_at,
            catalog_offset: self.catalog_offset,
            marks: &self.marks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::authority;
    use crate::id::IpHash;
    use proptest::prelude::*;
    use std::fmt::Debug;

    fn name<T: Debug>(of: impl Fn(&str) -> T + 'static) -> impl Strategy<Value = T> {
        "[a-z0-9][a-z0-9_-]{0,63}".prop_map(move |text| of(&text))
    }

    fn clicks() -> impl Strategy<Value = Click> {
        let ids = (any::<[u8; 16]>(), any::<[u8; 16]>());
        let names = (
            name(|text| TenantId::new(text).expect("a name")),
            name(|text| AdvertiserId::new(text).expect("a name")),
            name(|text| CampaignId::new(text).expect("a name")),
            name(|text| PublisherId::new(text).expect("a name")),
            name(|text| LinkCode::new(text).expect("a code")),
        );
        let rest = (
            any::<i64>(),
            any::<i64>(),
            any::<bool>(),
            proptest::option::of(".{0,40}"),
            proptest::option::of(".{0,40}"),
            proptest::option::of(any::<[u8; 16]>()),
            proptest::collection::btree_map("[a-z0-9]{1,8}", ".{0,20}", 0..4),
            ".{0,20}",
        );
        (ids, names, rest).prop_map(|(ids, names, rest)| Click {
            click_id: ClickId(ids.0),
            journey_id: JourneyId(ids.1),
            tenant: names.0,
            advertiser: names.1,
            campaign: names.2,
            publisher: names.3,
            link: names.4,
            occurred_at: Micros(rest.0),
            catalog_offset: Offset(rest.1),
            returning: rest.2,
            referrer: rest.3,
            user_agent: rest.4,
            ip_hash: rest.5.map(IpHash),
            params: rest.6,
            marks: rest.7,
        })
    }

    fn same(framed: &[u8]) -> Result<(), TestCaseError> {
        let view = ClickView::read(framed).ok().flatten();
        // Without its header, a record says nothing of its schema.
        let header = framed.starts_with(&codec::encode(&some_click())[..5]);
        let click = if header { authority::decode::<Click>(framed) } else { None };
        prop_assert_eq!(view, click.as_ref().map(Click::view));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn view_and_codec_agree_on_clicks_and_on_what_is_left_of_damaged_ones(
            click in clicks(),
            flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut framed = codec::encode(&click);
            same(&framed)?;
            same(&framed[..cut.index(framed.len())])?;
            for (at, byte) in flips {
                let at = at.index(framed.len());
                framed[at] = byte;
                same(&framed)?;
            }
        }
    }

    /// Another writer may cut a map into blocks and give their sizes.
    #[test]
    fn a_map_in_sized_blocks_is_read_as_the_codec_reads_it() {
        let click = some_click();
        let mut framed = codec::encode(&click);
        let map = framed.split_off(framed.len() - 7);
        assert_eq!(map, [2, 2, b'a', 2, b'b', 0, 0], "one block of one entry, no marks");
        framed.extend_from_slice(&[1, 8, 2, b'a', 2, b'b', 0, 0]);
        assert_eq!(codec::decode::<Click>(&framed).expect("the codec reads it"), click);
        assert_eq!(ClickView::read(&framed).expect("the view reads it"), Some(click.view()));
    }

    fn some_click() -> Click {
        Click {
            click_id: ClickId([1; 16]),
            journey_id: JourneyId([2; 16]),
            tenant: TenantId::new("default").expect("a name"),
            advertiser: AdvertiserId::new("acme").expect("a name"),
            campaign: CampaignId::new("summer").expect("a name"),
            publisher: PublisherId::new("alpha").expect("a name"),
            link: LinkCode::new("L1").expect("a code"),
            occurred_at: Micros(1),
            catalog_offset: Offset(1),
            returning: false,
            referrer: None,
            user_agent: None,
            ip_hash: None,
            params: [("a".to_owned(), "b".to_owned())].into(),
            marks: String::new(),
        }
    }
}
