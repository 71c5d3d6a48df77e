//! A role's `/metrics`, and quantiles of its histograms.

use crate::bench::BenchError;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(5);

/// Prometheus' text format, as it was answered.
pub struct Page(String);

impl Page {
    pub fn fetch(address: SocketAddr) -> Result<Page, BenchError> {
        let get = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&address, WAIT)?;
            stream.set_read_timeout(Some(WAIT))?;
            // HTTP/1.0: the answer ends with the connection.
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = get().map_err(|error| BenchError::Page { address, reason: error.to_string() })?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(Page(body.to_owned())),
            _ => Err(BenchError::Page { address, reason: answer.lines().next().unwrap_or("no answer").to_owned() }),
        }
    }

    /// The sum of all samples of this name, whatever their labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.samples(name).map(|(_, value)| value).sum()
    }

    /// A quantile of a histogram without labels, interpolated within its bucket; none where nothing was recorded. The
    /// last bucket has no end: its begin stands for it.
    pub fn quantile(&self, name: &str, quantile: f64) -> Option<f64> {
        let bucket = format!("{name}_bucket");
        let bound = |labels: &str| -> Option<f64> {
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            if bound == "+Inf" { Some(f64::INFINITY) } else { bound.parse().ok() }
        };
        let mut buckets: Vec<(f64, f64)> =
            self.samples(&bucket).filter_map(|(labels, count)| Some((bound(labels)?, count))).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wanted = buckets.last().map(|(_, all)| all * quantile).filter(|wanted| *wanted > 0.0)?;
        let (mut begin, mut below) = (0.0, 0.0);
        for (end, count) in buckets {
            if count >= wanted {
                let within = if end.is_finite() { (end - begin) * (wanted - below) / (count - below) } else { 0.0 };
                return Some(begin + within);
            }
            (begin, below) = (end, count);
        }
        None
    }

    fn samples<'p>(&'p self, name: &str) -> impl Iterator<Item = (&'p str, f64)> {
        self.0.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            let exact = labels.is_empty() || labels.starts_with('{');
            exact.then_some((labels, value.parse().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated_within_a_bucket() {
        let page = Page(
            "# TYPE c histogram\nc_bucket{le=\"0.01\"} 50\nc_bucket{le=\"0.02\"} 90\nc_bucket{le=\"0.05\"} 100\n\
             c_bucket{le=\"+Inf\"} 100\nc_sum 1\nc_count 100\nr{p=\"0\"} 3\nr{p=\"1\"} 4\nrate 9\n"
                .into(),
        );
        for (quantile, expected) in [(0.25, 0.005), (0.5, 0.01), (0.7, 0.015), (0.95, 0.035)] {
            let found = page.quantile("c", quantile).expect("recorded");
            assert!((found - expected).abs() < 1e-9, "{quantile}: {found}");
        }
        assert_eq!(page.quantile("none", 0.5), None);
        assert_eq!(page.sum("r"), 7.0);
    }
}
