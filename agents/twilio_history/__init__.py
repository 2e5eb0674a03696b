"""Requests to Twilio about calls that are over, for the roles that compare and recover.

They share a limit with all processes of the installation, so that they never compete with the
requests that start and stop media streams.
"""
