//! The macros of a destination, `{click_id}`: which there are. The catalog refuses any other, the edge fills them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macro {
    ClickId,
    RefCode,
    /// From 1 to 10.
    Sub(usize),
    Source,
    Campaign,
    Publisher,
    Country,
    Device,
    /// The operating system.
    Os,
    /// Of the rotation, or the rule's name.
    Variant,
}

/// For messages.
pub const EXPECTED: &str = "{click_id}, {ref_code}, {sub1} to {sub10}, {source}, {campaign}, {publisher}, {country}, \
                            {device}, {os} or {variant}";

impl Macro {
    /// By what stands between the braces.
    pub fn parse(name: &str) -> Option<Macro> {
        Some(match name {
            "click_id" => Macro::ClickId,
            "ref_code" => Macro::RefCode,
            "source" => Macro::Source,
            "campaign" => Macro::Campaign,
            "publisher" => Macro::Publisher,
            "country" => Macro::Country,
            "device" => Macro::Device,
            "os" => Macro::Os,
            "variant" => Macro::Variant,
            _ => {
                let digits = name.strip_prefix("sub")?;
                let number = (1..=10).find(|number: &usize| number.to_string() == digits)?;
                Macro::Sub(number)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_that_is_told_is_one() {
        let told = EXPECTED.split(['{', '}']).skip(1).step_by(2);
        assert_eq!(told.filter(|name| Macro::parse(name).is_none()).count(), 0);
        for (name, expected) in [("sub10", Some(Macro::Sub(10))), ("sub01", None), ("sub11", None), ("payout", None)] {
            assert_eq!(Macro::parse(name), expected, "{name}");
        }
    }
}
