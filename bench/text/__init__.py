"""Text from elsewhere: made safe to show, without credentials, and never endless."""
