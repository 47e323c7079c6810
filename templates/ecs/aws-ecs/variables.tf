variable "name" {
  description = "Name of the application and prefix of everything it needs. Berth passes the environment's unique name."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.name) <= 24 && can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", var.name))
    error_message = "The name must start with a lower-case letter, hold only lower-case letters, digits and hyphens, not end with a hyphen, and be 2 to 24 characters long."
  }

  validation {
    condition     = !startswith(var.name, "internal-")
    error_message = "The name must not start with \"internal-\": AWS keeps that for internal load balancers."
  }
}

variable "region" {
  description = "AWS region everything is created in: the one of the network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region must be the code of an AWS region, for example us-east-1 or eu-central-1."
  }
}

variable "vpc_id" {
  description = "Id of the network to run in: the output vpc_id of the vpc module."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "The network must be given by its id, which starts with \"vpc-\"."
  }
}

variable "public_subnet_ids" {
  description = "Ids of at least two public subnets in different zones, for the load balancer."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "A load balancer needs at least two public subnets in different zones."
  }
}

variable "private_subnet_ids" {
  description = "Ids of private subnets for the tasks. Empty, the tasks run in the public subnets with public addresses, still reachable only through the load balancer."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "image_location" {
  description = "Container image to run, with its tag or digest."
  type        = string
  default     = "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"
  nullable    = false

  validation {
    condition     = can(regex("^[^[:space:]]+$", var.image_location))
    error_message = "The image must be a reference without spaces, for example public.ecr.aws/nginx/nginx:1.27."
  }
}

variable "container_port" {
  description = "Port the application listens on inside its container."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535 && floor(var.container_port) == var.container_port
    error_message = "The container port must be a whole number from 1 to 65535."
  }
}

variable "cpu" {
  description = "CPU of one task in units; 1024 is one virtual CPU."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "The CPU must be 256, 512, 1024, 2048, 4096, 8192 or 16384 units."
  }
}

variable "memory" {
  description = "Memory of one task in MiB. Fargate allows certain amounts per CPU: 512 to 2048 with 256 units, 1024 to 4096 with 512, 2048 to 8192 with 1024, and so on."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory >= 512 && var.memory <= 122880 && floor(var.memory) == var.memory
    error_message = "The memory must be a whole number of MiB from 512 to 122880."
  }
}

variable "desired_count" {
  description = "Number of tasks to keep running."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.desired_count >= 1 && var.desired_count <= 100 && floor(var.desired_count) == var.desired_count
    error_message = "The number of tasks must be a whole number from 1 to 100."
  }
}

variable "health_check_path" {
  description = "Path the load balancer asks for to see whether a task works; an answer from 200 to 399 is good."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = startswith(var.health_check_path, "/") && length(var.health_check_path) <= 1024
    error_message = "The health check path must start with \"/\"."
  }
}

variable "health_check_grace_seconds" {
  description = "Seconds a new task may take to start before failed health checks count against it. Raise it for applications that start slowly."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.health_check_grace_seconds >= 0 && var.health_check_grace_seconds <= 3600 && floor(var.health_check_grace_seconds) == var.health_check_grace_seconds
    error_message = "The grace period must be a whole number of seconds from 0 to 3600."
  }
}

variable "environment_variables" {
  description = "Environment variables of the container. Not for secrets: they are readable in the task definition."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^[A-Za-z_][A-Za-z0-9_.-]*$", name))])
    error_message = "The names of environment variables must start with a letter or underscore and hold only letters, digits, underscores, dots and hyphens."
  }
}

variable "allowed_cidr_blocks" {
  description = "Address ranges that may open the application, in CIDR notation."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidr_blocks) > 0 && alltrue([for block in var.allowed_cidr_blocks : can(cidrnetmask(block))])
    error_message = "The allowed address ranges must be IPv4 ranges in CIDR notation, for example 203.0.113.0/24."
  }
}

variable "log_retention_days" {
  description = "Days the application's logs are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653], var.log_retention_days)
    error_message = "Logs can be kept for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827 or 3653 days."
  }
}

variable "tags" {
  description = "Tags for everything that is created, the tasks included. Berth passes the environment's id, the project and the template."
  type        = map(string)
  default     = {}
  nullable    = false
}
