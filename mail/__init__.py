"""E-mail's language: SMTP, letters and iCalendar. Knows no booking but what an invitation tells."""
