"""What people are told by mail: an outbox, and who may read it. Knows neither the words (`faces/mails`) nor SMTP (`outbound`)."""
