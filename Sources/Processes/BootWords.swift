// SPDX-License-Identifier: Apache-2.0

import FileSystems
import LinuxABI
import Machine
import MemoryEvents

/// What the kernel's command line and `--set` may say. A word that nobody reads is refused, since
/// a run that only seems to have been set up is worse than none.
extension Kernel {
  /// Takes every word and setting, or names the first that cannot be taken.
  ///
  /// - Context: once, when /proc can be reached; may sleep.
  func takeWords() -> RefusedWord? {
    if let refused = state.value.refusedWord { return refused }
    let arguments = BootArguments(Self.arguments(of: machine))
    for index in 0..<arguments.count(of: .bootWord) {
      guard let word = arguments.string(.bootWord, index), !Self.isKnown(word) else { continue }
      switch takeFrameWord(word) {
      case .taken: continue
      case .malformed: return refusal(of: .bootWord, index, .EINVAL)
      case .unknown: return refusal(of: .bootWord, index, .ENOENT)
      }
    }
    for index in 0..<arguments.count(of: .setting) {
      guard let pair = arguments.string(.setting, index) else { continue }
      do {
        try fileSystems.set(pair)
      } catch {
        return refusal(of: .setting, index, error)
      }
    }
    return nil
  }

  private func refusal(of tag: ArgumentTag, _ index: Int, _ error: Errno) -> RefusedWord {
    RefusedWord(tag: tag.rawValue, error: error.rawValue, index: UInt32(index))
  }

  /// The words that something in the kernel, or the tool for it, reads.
  private static func isKnown(_ word: MemoryBlock) -> Bool {
    var heapWords = HeapWords()
    return heapWords.take(word, seed: 0)
      || word.holds(text: "audit", at: 0, byteCount: word.byteCount)
      || ContiguousWords.isOne(word)
      || word.holds(text: "clock=host", at: 0, byteCount: word.byteCount)
      || word.holds(text: "selftest", at: 0, byteCount: word.byteCount)
      || word.holds(text: "dma_debug", at: 0, byteCount: word.byteCount)
      || word.holds(text: "swiotlb=force", at: 0, byteCount: word.byteCount)
  }
}
