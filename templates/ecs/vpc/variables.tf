variable "name" {
  description = "Name of the network and prefix of everything in it. Berth passes the environment's unique name."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.name) <= 24 && can(regex("^[a-z][a-z0-9-]*$", var.name))
    error_message = "The name must start with a lower-case letter, hold only lower-case letters, digits and hyphens, and be at most 24 characters long."
  }
}

variable "region" {
  description = "AWS region everything is created in, for example us-east-1."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region must be the code of an AWS region, for example us-east-1 or eu-central-1."
  }
}

variable "cidr_block" {
  description = "Address range of the network in CIDR notation, /16 to /22. Subnets are cut from it. It matters only if the network will be connected to others."
  type        = string
  default     = "10.0.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr_block)) && try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 22, false)
    error_message = "The address range must be an IPv4 range between /16 and /22, for example 10.0.0.0/16."
  }
}

variable "zone_count" {
  description = "Number of availability zones to spread over. A load balancer needs at least two."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([2, 3], var.zone_count)
    error_message = "The number of availability zones must be 2 or 3."
  }
}

variable "nat_gateway" {
  description = "Adds private subnets that reach the internet through a NAT gateway. Off, tasks run in the public subnets behind the load balancer's security group, and nothing is paid for the gateway."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that is created. Berth passes the environment's id, the project and the template."
  type        = map(string)
  default     = {}
  nullable    = false
}
