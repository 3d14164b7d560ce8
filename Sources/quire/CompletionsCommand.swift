// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire completions`: what a shell needs to complete the tool's words.
struct CompletionsCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "completions",
      abstract: "Prints a shell's completions: bash, zsh or fish.",
      discussion: "For bash: source <(./quire completions bash)")
  }

  @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "SHELL"))
  var shell: CompletionTarget

  mutating func run() throws {
    let script = QuireCommand.completionScript(for: shell.shell)
    printToStandardOutput(script)
  }
}

enum CompletionTarget: String, ExpressibleByArgument, CaseIterable {
  case bash, zsh, fish

  var shell: CompletionShell {
    switch self {
    case .bash: .bash
    case .zsh: .zsh
    case .fish: .fish
    }
  }
}
