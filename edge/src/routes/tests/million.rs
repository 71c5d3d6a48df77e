//! A million links: what they take, and that nobody waits while they are swapped. Prints figures; run it alone:
//! `cargo test -p edge --lib -- --ignored --nocapture a_million_links`

use super::*;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LINKS: usize = 1_000_000;
const CAMPAIGNS: usize = 2_000;
const PUBLISHERS: usize = 20_000;

fn resident_mib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4 / 1024
}

fn million() -> Catalog {
    let mut catalog = Catalog::default();
    let mut offset = 0;
    let mut add = |entry: CatalogEntry| {
        catalog.apply(Offset(offset), entry);
        offset += 1;
    };
    for number in 0..PUBLISHERS {
        let publisher = Publisher { name: format!("Publisher {number}"), customers: vec![], addresses: vec![] };
        add(CatalogEntry { publisher: Some(publisher), ..entry(EntityKind::Publisher, &format!("p{number}"), 0) });
    }
    for number in 0..CAMPAIGNS {
        add(campaign_entry(&format!("c{number}"), 0, "https://shop.example/landing?via={sub1}", true));
    }
    for number in 0..LINKS {
        let entry = link_entry(&format!("link-{number:07}"), 0, &format!("c{}", number % CAMPAIGNS), true);
        let publisher = PublisherId::new(&format!("p{}", number % PUBLISHERS)).expect("a name");
        add(CatalogEntry { link: entry.link.map(|link| LinkBody { publisher, ..link }), ..entry });
    }
    catalog
}

#[test]
#[ignore = "measures"]
fn a_million_links_are_swapped_while_they_are_looked_up() {
    let empty = resident_mib();
    let mut catalog = million();
    let with_catalog = resident_mib();
    let started = Instant::now();
    let routes = ArcSwap::from_pointee(Routes::build(&catalog, Micros(5)));
    println!("index built in {:?}", started.elapsed());
    let with_index = resident_mib();
    println!("catalog {} MiB, index {} MiB", with_catalog - empty, with_index - with_catalog);
    assert_eq!(routes.load().count(), LINKS);
    let done = AtomicBool::new(false);
    let (slowest, looked_up) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut slowest, mut number) = (Duration::ZERO, 0);
            while !done.load(Ordering::Relaxed) {
                let code = format!("link-{:07}", number * 7919 % LINKS);
                let began = Instant::now();
                let found = routes.load().link(&code).cloned();
                slowest = slowest.max(began.elapsed());
                assert!(matches!(found, Some(Link::Known(_))), "{code}");
                number += 1;
            }
            (slowest, number)
        });
        let mut retired = Vec::new();
        for _ in 0..3 {
            let started = Instant::now();
            retired.push(routes.swap(Arc::new(Routes::build(&catalog, Micros(5)))));
            println!("rebuilt and swapped in {:?}; {} MiB", started.elapsed(), resident_mib() - empty);
            retired.retain(|routes| Arc::strong_count(routes) > 1);
        }
        for number in 0..3 {
            let earlier = catalog.clone();
            let started = Instant::now();
            catalog.apply(Offset(catalog.next_offset().0), link_entry(&format!("new-{number}"), 0, "c7", true));
            let applied = started.elapsed();
            let started = Instant::now();
            let updated = routes.load().update(&earlier, &catalog, Micros(5)).expect("only a link");
            retired.push(routes.swap(Arc::new(updated)));
            println!("one new link: read in {applied:?}, in the index after {:?}", started.elapsed());
            assert!(routes.load().link(&format!("new-{number}")).is_some());
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("reads")
    });
    println!("{looked_up} look-ups meanwhile, the slowest {slowest:?}");
}
