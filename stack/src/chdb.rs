//! The only unsafe code of this crate: loading `libchdb.so` and calling its command line.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use libloading::{Library, Symbol};

use crate::error::Error;

/// `chdb_result * chdb_query_cmdline(int argc, char ** argv)` of chdb.h: what `clickhouse local` does.
type CommandLine = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
/// `const char * chdb_result_error(chdb_result *)`: null when there was none.
type ResultError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

/// Runs ClickHouse with these arguments (the first is the program's name) and returns when it ends.
pub(crate) fn command_line(library: &Path, arguments: &[CString]) -> Result<(), Error> {
    let failed = |reason: String| Error::Library { path: library.to_owned(), reason };

    // SAFETY: loading runs the library's initialisers. It is the file that `cache` checked against a pinned
    // checksum, built for this platform, and this process does nothing else with it.
    let loaded = unsafe { Library::new(library) }.map_err(|error| failed(error.to_string()))?;
    // SAFETY: the type is that of chdb.h of the pinned version.
    let run: Symbol<CommandLine> =
        unsafe { loaded.get(b"chdb_query_cmdline\0") }.map_err(|error| failed(error.to_string()))?;
    // SAFETY: as above.
    let error_of: Symbol<ResultError> =
        unsafe { loaded.get(b"chdb_result_error\0") }.map_err(|error| failed(error.to_string()))?;

    let mut argv: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    argv.push(std::ptr::null_mut());
    let argc = c_int::try_from(arguments.len()).map_err(|_| failed("too many arguments".into()))?;
    // SAFETY: argv holds argc zero-terminated strings and a null, all of which outlive the call. The library
    // reads the strings and does not write to them.
    let result = unsafe { run(argc, argv.as_mut_ptr()) };
    let reason = if result.is_null() {
        Some("no result".to_owned())
    } else {
        // SAFETY: result is what the call above returned and was not freed.
        let text = unsafe { error_of(result) };
        // SAFETY: a text that is not null is zero-terminated and lives as long as the result.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    // Unloading would run destructors under threads that still use the library: it ends with the process.
    std::mem::forget(loaded);
    reason.map_or(Ok(()), |reason| Err(failed(reason)))
}
