// SPDX-License-Identifier: Apache-2.0

/// The form of a folder's entry as getdents64 answers it. Linux: `struct linux_dirent64`.
///
///      0        8        16      18     19
///      │ inode  │ next   │ bytes │ kind │ name, NUL, padding to 8 │
public enum FolderEntryLayout {
  public static var inodeOffset: Int { 0 }
  public static var nextOffset: Int { 8 }
  public static var byteCountOffset: Int { 16 }
  public static var kindOffset: Int { 18 }
  public static var nameOffset: Int { 19 }

  /// The bytes of an entry with a name of this length.
  public static func byteCount(nameLength: Int) -> Int { (nameOffset + nameLength + 8) & ~7 }
}
