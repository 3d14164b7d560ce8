// SPDX-License-Identifier: Apache-2.0

/// Why a system call failed, by Linux's names and numbers (the generic table, which x86-64 uses).
///
/// The names are Linux's own, since every manual page and every program spells them so.
///
/// Linux: `errno`, `include/uapi/asm-generic/errno.h`.
public enum Errno: UInt16, Error, Sendable, BitwiseCopyable {
  /// Operation not permitted.
  case EPERM = 1
  /// No such file or directory.
  case ENOENT = 2
  /// No such process.
  case ESRCH = 3
  /// Interrupted system call.
  case EINTR = 4
  /// Input/output error.
  case EIO = 5
  /// No such device or address.
  case ENXIO = 6
  /// Argument list too long.
  case E2BIG = 7
  /// Exec format error.
  case ENOEXEC = 8
  /// Bad file descriptor.
  case EBADF = 9
  /// No child processes.
  case ECHILD = 10
  /// Resource temporarily unavailable.
  case EAGAIN = 11
  /// Cannot allocate memory.
  case ENOMEM = 12
  /// Permission denied.
  case EACCES = 13
  /// Bad address.
  case EFAULT = 14
  /// Block device required.
  case ENOTBLK = 15
  /// Device or resource busy.
  case EBUSY = 16
  /// File exists.
  case EEXIST = 17
  /// Invalid cross-device link.
  case EXDEV = 18
  /// No such device.
  case ENODEV = 19
  /// Not a directory.
  case ENOTDIR = 20
  /// Is a directory.
  case EISDIR = 21
  /// Invalid argument.
  case EINVAL = 22
  /// Too many open files in system.
  case ENFILE = 23
  /// Too many open files.
  case EMFILE = 24
  /// Inappropriate ioctl for device.
  case ENOTTY = 25
  /// Text file busy.
  case ETXTBSY = 26
  /// File too large.
  case EFBIG = 27
  /// No space left on device.
  case ENOSPC = 28
  /// Illegal seek.
  case ESPIPE = 29
  /// Read-only file system.
  case EROFS = 30
  /// Too many links.
  case EMLINK = 31
  /// Broken pipe.
  case EPIPE = 32
  /// Numerical argument out of domain.
  case EDOM = 33
  /// Numerical result out of range.
  case ERANGE = 34
  /// Resource deadlock avoided.
  case EDEADLK = 35
  /// File name too long.
  case ENAMETOOLONG = 36
  /// No locks available.
  case ENOLCK = 37
  /// Function not implemented.
  case ENOSYS = 38
  /// Directory not empty.
  case ENOTEMPTY = 39
  /// Too many levels of symbolic links.
  case ELOOP = 40
  /// No message of desired type.
  case ENOMSG = 42
  /// Identifier removed.
  case EIDRM = 43
  /// No data available.
  case ENODATA = 61
  /// Timer expired.
  case ETIME = 62
  /// Protocol error.
  case EPROTO = 71
  /// Bad message.
  case EBADMSG = 74
  /// Value too large for defined data type.
  case EOVERFLOW = 75
  /// Accessing a corrupted shared library.
  case ELIBBAD = 80
  /// Invalid or incomplete multibyte or wide character.
  case EILSEQ = 84
  /// Too many users.
  case EUSERS = 87
  /// Socket operation on non-socket.
  case ENOTSOCK = 88
  /// Destination address required.
  case EDESTADDRREQ = 89
  /// Message too long.
  case EMSGSIZE = 90
  /// Protocol wrong type for socket.
  case EPROTOTYPE = 91
  /// Protocol not available.
  case ENOPROTOOPT = 92
  /// Protocol not supported.
  case EPROTONOSUPPORT = 93
  /// Socket type not supported.
  case ESOCKTNOSUPPORT = 94
  /// Operation not supported.
  case EOPNOTSUPP = 95
  /// Protocol family not supported.
  case EPFNOSUPPORT = 96
  /// Address family not supported by protocol.
  case EAFNOSUPPORT = 97
  /// Address already in use.
  case EADDRINUSE = 98
  /// Cannot assign requested address.
  case EADDRNOTAVAIL = 99
  /// Network is down.
  case ENETDOWN = 100
  /// Network is unreachable.
  case ENETUNREACH = 101
  /// Network dropped connection on reset.
  case ENETRESET = 102
  /// Software caused connection abort.
  case ECONNABORTED = 103
  /// Connection reset by peer.
  case ECONNRESET = 104
  /// No buffer space available.
  case ENOBUFS = 105
  /// Transport endpoint is already connected.
  case EISCONN = 106
  /// Transport endpoint is not connected.
  case ENOTCONN = 107
  /// Cannot send after transport endpoint shutdown.
  case ESHUTDOWN = 108
  /// Too many references: cannot splice.
  case ETOOMANYREFS = 109
  /// Connection timed out.
  case ETIMEDOUT = 110
  /// Connection refused.
  case ECONNREFUSED = 111
  /// Host is down.
  case EHOSTDOWN = 112
  /// No route to host.
  case EHOSTUNREACH = 113
  /// Operation already in progress.
  case EALREADY = 114
  /// Operation now in progress.
  case EINPROGRESS = 115
  /// Stale file handle.
  case ESTALE = 116
  /// Structure needs cleaning.
  case EUCLEAN = 117
  /// Disk quota exceeded.
  case EDQUOT = 122
  /// No medium found.
  case ENOMEDIUM = 123
  /// Wrong medium type.
  case EMEDIUMTYPE = 124
  /// Operation canceled.
  case ECANCELED = 125
  /// Owner died.
  case EOWNERDEAD = 130
  /// State not recoverable.
  case ENOTRECOVERABLE = 131
  /// Operation not possible due to RF-kill.
  case ERFKILL = 132
  /// Memory page has hardware error.
  case EHWPOISON = 133

  /// `EWOULDBLOCK` is the same number as `EAGAIN`.
  public static var EWOULDBLOCK: Self { .EAGAIN }
  /// `ENOTSUP` is the same number as `EOPNOTSUPP`.
  public static var ENOTSUP: Self { .EOPNOTSUPP }

  /// What a failed call leaves in the result register: the negated number.
  public var systemCallResult: UInt64 { UInt64(bitPattern: -Int64(rawValue)) }
}
