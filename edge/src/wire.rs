//! A connection's bytes on their way to hyper: what hyper would let pass, and a proxy before us might read otherwise, is
//! refused (RFC 9112, 11.2): a bare LF at the end of a line, Content-Length beside Transfer-Encoding or twice, a coding
//! other than `chunked`. Also a client that does not take its answers.
//!
//! It looks for line ends and two header names only. A line that is not to pass gets a NUL for its LF, which hyper refuses
//! with 400 and a close, after the answers to the requests before it; so there is no second parser of requests, and no
//! second way to answer. Bodies are skipped by their length, so that it holds for every request of a connection.

mod scan;

pub use scan::Scan;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// For a client to take some of what was answered: then it does not want it.
const WRITE_TIME: Duration = Duration::from_secs(15);

pub struct Checked<S> {
    stream: S,
    scan: Scan,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Checked<S> {
    pub fn new(stream: S, scan: Scan) -> Checked<S> {
        Checked { stream, scan, stalled: None }
    }

    /// Ends a write that makes no progress. Only a write that has to wait costs a timer.
    fn progress<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIME)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Checked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.scan.scan(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Checked<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.progress(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.progress(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.progress(context, shut)
    }
}
