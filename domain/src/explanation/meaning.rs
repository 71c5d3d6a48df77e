//! What each reason code means, in a sentence for whoever is paid or not.
//!
//! Codes are the rules' (`decide`) and the edge's; a test holds every code of the rules' own tests against this list.

/// What a code is said of: `too_soon` of a click is another thing than `too_soon` of a fraud rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The evidence that somebody earns by.
    Winner,
    /// Why nobody does, or nothing is booked.
    Outcome,
    Status,
    Evidence,
    Touch,
    Delivery,
    Fraud,
    /// What came of a command.
    Command,
}

/// None for a code that is not known here.
pub fn meaning(of: Said, code: &str) -> Option<&'static str> {
    match of {
        Said::Winner => winner(code),
        Said::Outcome => outcome(code).or_else(|| evidence(code)),
        Said::Status => status(code),
        Said::Evidence => evidence(code).or_else(|| outcome(code)),
        Said::Touch => touch(code),
        Said::Delivery => delivery(code),
        Said::Fraud => fraud(code),
        Said::Command => command(code),
    }
}

fn winner(code: &str) -> Option<&'static str> {
    Some(match code {
        "coupon" => "The customer used a coupon that belongs to a publisher.",
        "click_id" => "The shop sent back the id of the click that brought the customer.",
        "ref_code" => "The shop named a publisher's link by its code.",
        "landing_url" => "The address of the page that the customer landed on names a click or a publisher's link.",
        "referrer" => "The address of the page that the customer came from names a click or a publisher's link.",
        "customer" => "An earlier event had tied this customer to a journey with a publisher's click.",
        _ => return None,
    })
}

fn outcome(code: &str) -> Option<&'static str> {
    Some(match code {
        "no_evidence" => "The shop sent nothing that could name a publisher.",
        "too_late" => "It was reported more than 60 days after it took place; that is too late to earn anything.",
        "same_as_order" => {
            "This event belongs to an order, which is counted once, however many events report it. It books nothing itself."
        }
        "contract_unknown" => "Its campaign had no contract at that time, so there is nothing to be paid by.",
        "not_in_contract" => "The campaign's contract does not pay for this kind of evidence.",
        "fraud_score" => "The contract's rules against fraud gave it too many points.",
        "rejected_by_command" => "A person rejected it.",
        _ => return None,
    })
}

fn status(code: &str) -> Option<&'static str> {
    Some(match code {
        "pending" => "Pending: the contract pays once the shop or the network has approved it, or a lead its sale.",
        "rejected" => "The shop or the network rejected it, so nothing is due.",
        "partly_refunded" => "A part of it was taken back, and the same part of what was earned with it.",
        "refunded" => "All of it was refunded, so all that was earned goes back.",
        "charged_back" => "All of it was charged back, so all that was earned goes back.",
        _ => return None,
    })
}

fn evidence(code: &str) -> Option<&'static str> {
    Some(match code {
        "used" => "The strongest evidence that stands for a publisher: it decides.",
        "weaker_than_used" => "It stands for a publisher too, but stronger evidence was there.",
        "click_not_seen" => "The click that it names is not known yet. When it arrives, this is decided anew.",
        "token_incomplete" => "The click id names no click.",
        "token_malformed" => "It is no click id of ours.",
        "token_forged" => "The click id's signature is wrong: it was changed, or made up.",
        "token_unknown_key" => "The click id was signed with a key that does not hold any more.",
        "ref_code_malformed" => "It cannot be the code of a link.",
        "coupon_malformed" => "It cannot be the code of a coupon.",
        "names_nothing" => "It names neither a click nor a link nor a coupon.",
        "no_eligible_touch" => "Its click is known, but no click of the visitor may earn; each says why below.",
        "link_unknown" => "There was no link of this code.",
        "link_inactive" => "The link was switched off.",
        "link_not_yet_valid" => "The link was not in force yet.",
        "link_expired" => "The link was no longer in force.",
        "link_of_other_advertiser" => "The link belongs to another advertiser's campaign.",
        "coupon_unknown" => "The advertiser has no such coupon.",
        "coupon_inactive" => "The coupon was switched off.",
        "coupon_not_yet_valid" => "The coupon was not in force yet.",
        "coupon_expired" => "The coupon was no longer in force.",
        "coupon_of_other_advertiser" => "The coupon belongs to another advertiser's campaign.",
        "generic_coupon" => {
            "The coupon belongs to no publisher: anybody may give it away, so it says nothing of who did."
        }
        "campaign_unknown" => "The campaign was not known at that time.",
        "campaign_inactive" => "The campaign was paused at that time.",
        "budget_spent" => "A budget of the campaign was spent then, so nothing further is paid from it.",
        "delivery_too_late" => "The report that brought it came more than 60 days late, so it does not count.",
        "customer_not_tied" => "Nothing ties the customer to this journey.",
        "customer_tied_later" => "The customer was tied to this journey only after the event.",
        _ => return None,
    })
}

fn touch(code: &str) -> Option<&'static str> {
    Some(match code {
        "eligible" => "It took place within the look-back, on a link and a campaign that were in force.",
        "clock_skew" => {
            "It seems to follow the event, but its own id came with it: clocks differ by up to ten minutes."
        }
        "synthetic" => "A coupon or a link's code stands for itself, at the time of the event.",
        "not_used" => "It could have earned, but stronger evidence decided.",
        "after_event" => "It took place after the event.",
        "outside_window" => "It is older than the campaign looks back.",
        "too_soon" => "It was too shortly before the event for the campaign.",
        "campaign_of_other_advertiser" => "Its campaign is another advertiser's.",
        _ => return None,
    })
}

fn delivery(code: &str) -> Option<&'static str> {
    Some(match code {
        "same_order" => "Another report of the same order: it is paid once.",
        "rebill" => "A further payment of the subscription: its value adds to the order's.",
        "repeat" => "The same report again: it changes nothing.",
        "conflicting_repeat" => "The same report with other values: the one that was received first counts.",
        "too_late" => "It came more than 60 days late, so it does not count.",
        "refund" => "It takes back what it says, and the same part of what was earned.",
        "chargeback" => "The customer's bank took the money back, and so goes what was earned.",
        "chargeback_won" => "The shop won the dispute: what was charged back before counts again.",
        "won_back" => "This chargeback was won since, so it takes nothing back.",
        "approved" => "The shop or the network approved the conversion.",
        "amended" => "It is paid by other terms than the contract had then: somebody adjusted what was past.",
        "rejected" => "The shop or the network rejected the conversion.",
        "other_currency" => "It is in another currency than the sale, so it does not count.",
        "unknown_item" => "It names articles that the order did not have, so it takes nothing back.",
        _ => return None,
    })
}

fn fraud(code: &str) -> Option<&'static str> {
    Some(match code {
        "bot_user_agent" => "The click was made by a program, as its user agent says.",
        "datacentre" => "The click came from an address of a data centre, where no customers sit.",
        "velocity" => "More clicks came from one address within a minute than the contract takes for a person's.",
        "duplicate_clicks" => "The visitor clicked on this link more often than the contract takes for normal.",
        "too_soon" => "It was bought faster after the click than the contract takes for possible.",
        "self_referral" => "The customer is the publisher itself.",
        _ => return None,
    })
}

fn command(code: &str) -> Option<&'static str> {
    Some(match code {
        "released" => "It was held, and is paid since.",
        "rejected" => "It earns nothing since, and what was booked went back.",
        "rejected_by_contract" => "The contract rejects it; a release lifts a hold only.",
        "not_held" => "It was not held, so there was nothing to release.",
        "nobody_earns" => "Nobody earns it anyway, so the command changes nothing.",
        _ => return None,
    })
}
