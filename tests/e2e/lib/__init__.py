# SPDX-License-Identifier: GPL-2.0-or-later
"""What the end-to-end tests share: processes, servers, load, and reading a report."""
