//! How one ClickHouse server is configured, run, stopped and asked whether it is ready.
//!
//! The server is `libchdb.so`, which is ClickHouse built as a library, run by our own executable (`serve`) as
//! `clickhouse local` with the listeners switched on. Its last query reads a named pipe and so lasts until a line is
//! written there: that is the only clean way to stop it, because SIGTERM ends the library at once.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::chdb;
use crate::endpoints::Endpoints;
use crate::error::{Error, IoContext};
use crate::options::Layout;

/// What the server reads, relative to its home. The files of `deploy` are shared with docker-compose.yml.
const CONFIG: [(&str, &str); 4] = [
    ("config.xml", include_str!("clickhouse/config.xml")),
    ("config.d/tributary.xml", include_str!("../../deploy/clickhouse/config.d/tributary.xml")),
    ("users.xml", include_str!("clickhouse/users.xml")),
    ("users.d/profiles.xml", include_str!("../../deploy/clickhouse/users.d/profiles.xml")),
];

const QUERIES: &str = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
                       SELECT * FROM file('stop.fifo', 'LineAsString') FORMAT Null";

/// Longest wait for the answer to `/ping`.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// Writes the configuration and makes the named pipe.
pub(crate) fn prepare(layout: &Layout) -> Result<(), Error> {
    for (name, text) in CONFIG {
        let path = layout.home.join(name);
        let folder = path.parent().expect("joined to a folder");
        fs::create_dir_all(folder).at("create folder", folder)?;
        fs::write(&path, text).at("write", &path)?;
    }
    let pipe = layout.stop_pipe();
    if !fs::metadata(&pipe).is_ok_and(|found| found.file_type().is_fifo()) {
        let _ = fs::remove_file(&pipe);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).at("make named pipe", &pipe)?;
    }
    Ok(())
}

/// Is the server, in the current process and folder (its home), until a line is written to the pipe.
pub(crate) fn run(library: &Path, http_port: u16, tcp_port: u16) -> Result<(), Error> {
    let arguments = [
        "clickhouse".to_owned(),
        "--multiquery".to_owned(),
        "--config-file=config.xml".to_owned(),
        "--path=data".to_owned(),
        "--listen_host=127.0.0.1".to_owned(),
        format!("--http_port={http_port}"),
        format!("--tcp_port={tcp_port}"),
        "--log-level=warning".to_owned(),
        format!("--query={QUERIES}"),
    ]
    .map(|argument| CString::new(argument).expect("no argument holds a zero byte"));
    chdb::command_line(library, &arguments)
}

/// Asks the server to end; it takes about a second. `false` when it is not listening to the pipe (yet).
pub(crate) fn ask_to_stop(layout: &Layout) -> bool {
    // Without O_NONBLOCK the open would wait for a reader, perhaps for ever.
    let pipe: io::Result<File> =
        OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(layout.stop_pipe());
    pipe.is_ok_and(|mut pipe| pipe.write_all(b"stop\n").is_ok())
}

/// Whether the server answers `/ping`.
pub(crate) fn is_ready(endpoints: &Endpoints) -> bool {
    ping(endpoints.clickhouse_http_port()).unwrap_or(false)
}

fn ping(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PROBE_LIMIT)?;
    stream.set_read_timeout(Some(PROBE_LIMIT))?;
    stream.set_write_timeout(Some(PROBE_LIMIT))?;
    stream.write_all(b"GET /ping HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    // A bound, in case the port belongs to something talkative.
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.") && answer.contains(" 200 ") && answer.trim_end().ends_with("Ok."))
}
