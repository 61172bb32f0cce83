"""The words of mails, text and HTML. Which are sent to whom is decided elsewhere (`broker/notices`)."""
