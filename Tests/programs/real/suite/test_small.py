# SPDX-License-Identifier: Apache-2.0
import pathlib
import tempfile
import unittest


class SmallTests(unittest.TestCase):
    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "file"
            path.write_text("text")
            path.rename(path.with_suffix(".new"))
            self.assertEqual([p.name for p in pathlib.Path(folder).iterdir()], ["file.new"])

    def test_numbers(self):
        self.assertEqual(sum(range(1000)), 499500)

    @unittest.expectedFailure
    def test_failure(self):
        self.assertTrue(False)

    @unittest.skip("to see it skipped")
    def test_skipped(self):
        pass
