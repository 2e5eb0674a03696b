"""A Twilio Flex double for the demo and the tests; knows the product only from outside."""
